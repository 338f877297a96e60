// The official JavaScript client, in two majors.
import OpenAI from "openai";
import OpenAI4 from "openai4";

import { answers, serve } from "./sessions.mjs";

const create = (Client) => (settings) => {
  const { stream, conversation_id, schema, ...fields } = settings.request;
  const history = [];
  let calls = [];

  const clientAt = (baseURL) => new Client({ baseURL, apiKey: "dummy", maxRetries: 0 });
  const completionsOf = (client) => (client.chat.completions.stream ? client.chat : client.beta.chat).completions;

  async function answer(client, body) {
    if (stream) return await completionsOf(client).stream(body).finalChatCompletion();
    return schema ? await completionsOf(client).parse(body) : await client.chat.completions.create(body);
  }

  // A legacy function's call has no id but its name.
  const output = (id) => (fields.functions ? { role: "function", name: id } : { role: "tool", tool_call_id: id });

  return async ({ say, outputs, alone, url, loop }) => {
    const added = answers(outputs, calls).map(([id, content]) => ({ ...output(id), content }));
    if (say) added.push({ role: "user", content: say });
    history.push(...added);
    const body = { ...fields, messages: alone ? added : history, ...(conversation_id && { conversation_id }) };
    if (schema) body.response_format = { type: "json_schema", json_schema: { name: "answer", schema, strict: true } };
    const client = clientAt(url ?? settings.url);
    try {
      if (loop) return { text: await ran(client, body, loop), calls: [], finish: "stop" };
      const completion = await answer(client, body);
      const [choice] = completion.choices;
      history.push(choice.message);
      const { tool_calls: tools, function_call: legacy } = choice.message;
      calls = legacy ? [{ id: legacy.name, function: legacy }] : (tools ?? []);
      return {
        text: choice.message.content ?? "",
        calls: calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
        finish: choice.finish_reason,
        ...(choice.logprobs && { tokens: choice.logprobs.content.map((each) => each.token) }),
        ...(schema && { parsed: choice.message.parsed ?? JSON.parse(choice.message.content) }),
      };
    } catch (error) {
      if (error instanceof Client.APIError) return { refused: error.status, param: error.param ?? null };
      throw error;
    }
  };

  // The client's own loop: it runs the functions until there is an answer.
  async function ran(client, body, results) {
    const tools = body.tools.map(({ function: spec }) => ({
      type: "function",
      function: { ...spec, parse: JSON.parse, function: () => results[spec.name] },
    }));
    return await completionsOf(client).runTools({ ...body, tools, stream: Boolean(stream) }).finalContent();
  }
};

await serve({ openai: create(OpenAI), openai4: create(OpenAI4) });
