// The Vercel AI SDK, with its provider for OpenAI (chat) and the one for compatible servers.
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, Output, generateText, isStepCount, jsonSchema, streamText, tool } from "ai";

import { answers, serve } from "./sessions.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;

const FINISHES = { "tool-calls": "tool_calls" };
const headersOf = (id) => (id ? { "X-Conversation-Id": id } : {});

const providers = {
  "@ai-sdk/openai": (url, request) => ({
    model: createOpenAI({ baseURL: url, apiKey: "dummy" }).chat(request.model),
    headers: headersOf(request.conversation_id),
    providerOptions: { openai: only({ parallelToolCalls: request.parallel_tool_calls, logprobs: request.top_logprobs }) },
  }),
  // Its options go into the body as they are.
  "@ai-sdk/openai-compatible": (url, request) => ({
    model: createOpenAICompatible({ name: "cortex", baseURL: url, supportsStructuredOutputs: true })(request.model),
    providerOptions: {
      cortex: only({
        parallel_tool_calls: request.parallel_tool_calls,
        conversation_id: request.conversation_id ?? undefined,
      }),
    },
  }),
};

const only = (options) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

function toolsOf(specs, results) {
  const made = specs.map(({ function: { name, description, parameters, strict } }) => {
    const execute = results && (() => results[name]);
    return [name, tool(only({ description, inputSchema: jsonSchema(parameters), strict, execute }))];
  });
  return Object.fromEntries(made);
}

const tokensOf = (likely) => (likely ? { tokens: likely.map((each) => each.token) } : {});

const choiceOf = (choice) =>
  choice?.function ? { type: "tool", toolName: choice.function.name } : choice;

async function streamed(options) {
  let failure;
  const result = streamText({ ...options, onError: ({ error }) => (failure = error) });
  await result.consumeStream({ onError: (error) => (failure ??= error) });
  if (failure) throw failure;
  const [text, toolCalls, finishReason, response, providerMetadata] = await Promise.all([
    result.text,
    result.toolCalls,
    result.finishReason,
    result.response,
    result.providerMetadata,
  ]);
  const output = options.output && (await result.output);
  return { text, toolCalls, finishReason, response, providerMetadata, output };
}

async function whole(options) {
  const result = await generateText(options);
  const { text, toolCalls, finishReason, response, providerMetadata } = result;
  return { text, toolCalls, finishReason, response, providerMetadata, output: options.output && result.output };
}

const create = (provider) => (settings) => {
  const { stream, schema, tools, tool_choice } = settings.request;
  const history = [];
  let calls = [];

  return async ({ say, outputs, alone, url, loop }) => {
    const added = answers(outputs, calls).map(([id, value]) => ({
      role: "tool",
      content: [
        {
          type: "tool-result",
          toolCallId: id,
          toolName: calls.find((call) => call.id === id)?.name ?? "unknown",
          output: { type: "text", value },
        },
      ],
    }));
    if (say) added.push({ role: "user", content: say });
    history.push(...added);
    const options = {
      ...provider(url ?? settings.url, settings.request),
      maxRetries: 0,
      messages: alone ? added : history,
      ...(tools && { tools: toolsOf(tools, loop) }),
      ...(tool_choice && { toolChoice: choiceOf(tool_choice) }),
      ...(loop && { stopWhen: isStepCount(5) }),
      ...(schema && { output: Output.object({ schema: jsonSchema(schema), name: "answer" }) }),
    };
    try {
      const result = await (stream ? streamed : whole)(options);
      history.push(...result.response.messages);
      calls = result.toolCalls.map((call) => ({ id: call.toolCallId, name: call.toolName }));
      return {
        text: result.text,
        calls: loop ? [] : result.toolCalls.map((call) => [call.toolName, call.input]), // of all steps of a loop
        finish: FINISHES[result.finishReason] ?? result.finishReason,
        ...(schema && { parsed: result.output }),
        ...tokensOf(result.providerMetadata?.openai?.logprobs),
      };
    } catch (error) {
      if (APICallError.isInstance(error))
        return { refused: error.statusCode, param: JSON.parse(error.responseBody).error.param };
      throw error;
    }
  };
};

await serve(Object.fromEntries(Object.entries(providers).map(([name, provider]) => [name, create(provider)])));
