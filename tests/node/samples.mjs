// What people have written for OpenAI's Assistants API, in two majors of the official client.
//
// Line by line: {"client": name, "play": name, "url": base} in, {"told": what the sample has seen} or {"failed": stack} out.
// The samples are those of tests/python1/samples.py, in JavaScript; where the majors differ, `of4` says how 4 has it.
import { createInterface } from "node:readline";

import OpenAI, { toFile } from "openai";
import OpenAI4 from "openai4";

const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};
const pause = () => new Promise((done) => setTimeout(done, 10));
const newest = async (openai, thread) =>
  (await openai.beta.threads.messages.list(thread)).data[0].content[0].text.value;

const samples = {
  async quickstart({ openai, retrieve }) {
    const assistant = await openai.beta.assistants.create({
      name: "Math Tutor",
      instructions: "You help with math problems",
      model: "ollama/llama3.2:3b",
    });
    const thread = await openai.beta.threads.create();
    await openai.beta.threads.messages.create(thread.id, { role: "user", content: "What is 2 + 2?" });
    const run = await openai.beta.threads.runs.create(thread.id, { assistant_id: assistant.id });
    let status = run.status;
    while (status === "queued" || status === "in_progress") {
      await pause();
      status = (await retrieve(thread.id, run.id)).status;
    }
    return [status, await newest(openai, thread.id)];
  },

  async migration({ openai }) {
    const assistant = await openai.beta.assistants.create({ model: "gpt-4o" });
    const thread = await openai.beta.threads.create();
    await openai.beta.threads.messages.create(thread.id, {
      role: "user",
      content: 'Analyze the sentiment of this review: "Absolutely loved this product!"',
    });
    const began = Date.now();
    const run = await openai.beta.threads.runs.createAndPoll(thread.id, { assistant_id: assistant.id });
    return [run.status, await newest(openai, thread.id), Date.now() - began < 4000]; // 5 s is what it waits untold
  },

  async memory({ openai, retrieve }) {
    const assistant = await openai.beta.assistants.create({
      name: "Chat Bot",
      instructions: "You are a friendly chat bot. Remember previous messages.",
      model: "ollama/llama3.2:3b",
    });
    const thread = await openai.beta.threads.create();

    async function chat(message) {
      await openai.beta.threads.messages.create(thread.id, { role: "user", content: message });
      const run = await openai.beta.threads.runs.create(thread.id, { assistant_id: assistant.id });
      while (true) {
        const status = await retrieve(thread.id, run.id);
        if (status.status === "completed") break;
        if (status.status === "failed") throw new Error(status.last_error?.message);
        await pause();
      }
      const messages = await openai.beta.threads.messages.list(thread.id, { limit: 1, order: "desc" });
      const content = messages.data[0].content[0];
      return content.type === "text" ? content.text.value : "";
    }

    return [await chat("Hi, my name is Alex"), await chat("What is my name?")];
  },

  async tool_outputs({ openai, submitAndPoll, steps }) {
    const assistant = await openai.beta.assistants.create({ model: "gpt-4o", tools: [WEATHER] });
    const run = await openai.beta.threads.createAndRunPoll({
      assistant_id: assistant.id,
      thread: { messages: [{ role: "user", content: "The weather in 'Rome'?" }] },
    });
    const asked = run.required_action.submit_tool_outputs.tool_calls;
    const tool_outputs = asked.map((call) => ({ tool_call_id: call.id, output: "sun" }));
    const done = await submitAndPoll(run.thread_id, run.id, { tool_outputs });
    const calls = asked.map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
    const listed = (await steps(run.thread_id, run.id, { order: "asc" })).data;
    return [run.status, calls, done.status, await newest(openai, run.thread_id), listed.map((step) => step.type)];
  },

  async errors({ openai, Client }) {
    const thread = await openai.beta.threads.create();
    try {
      await openai.beta.threads.runs.create(thread.id, { assistant_id: "invalid-id" });
    } catch (error) {
      if (error instanceof Client.APIError) return [error.status, Boolean(error.message), error.code];
      throw error;
    }
    return "nothing was refused";
  },

  async models({ openai }) {
    const local = await openai.beta.assistants.create({
      name: "Local Assistant",
      model: "ollama/llama3.2:3b",
      instructions: "Fast local responses",
    });
    const cloud = await openai.beta.assistants.create({
      name: "Cloud Assistant",
      model: "openai/gpt-4o",
      instructions: "Complex reasoning tasks",
    });
    const said = [];
    for (const assistant of [local, cloud]) {
      const thread = await openai.beta.threads.create({ messages: [{ role: "user", content: "Hello" }] });
      const run = await openai.beta.threads.runs.createAndPoll(thread.id, { assistant_id: assistant.id });
      said.push([run.model, run.status, await newest(openai, thread.id)]);
    }
    return said;
  },

  async management({ openai, remove, message: read }) {
    const made = [];
    for (const n of [0, 1, 2])
      made.push(await openai.beta.assistants.create({ model: "gpt-4o", name: `Page ${n}`, metadata: { n: `${n}` } }));
    const ids = made.map(({ id }) => id);
    const listed = [];
    for await (const { id } of openai.beta.assistants.list({ limit: 2 })) if (ids.includes(id)) listed.push(id);
    const changed = await openai.beta.assistants.update(ids[0], { name: "Code Expert", temperature: 0.5 });
    const thread = await openai.beta.threads.create({ metadata: { project: "demo" } });
    const message = await openai.beta.threads.messages.create(thread.id, {
      role: "user",
      content: "Hello!",
      metadata: { source: "web" },
    });
    const same = await read(thread.id, message.id);
    const gone = [];
    for (const id of ids) gone.push((await remove(openai.beta.assistants, id)).deleted);
    gone.push((await remove(openai.beta.threads, thread.id)).deleted);
    const newestFirst = JSON.stringify(listed) === JSON.stringify(ids.reverse());
    return [newestFirst, changed.name, changed.temperature, changed.metadata, same.metadata, gone];
  },

  async cancelling({ openai, cancel, poll }) {
    const assistant = await openai.beta.assistants.create({ model: "gpt-4o", tools: [WEATHER] });
    const run = await openai.beta.threads.createAndRunPoll({
      assistant_id: assistant.id,
      thread: { messages: [{ role: "user", content: "The weather in 'Rome'?" }] },
    });
    await cancel(run.thread_id, run.id);
    return (await poll(run.thread_id, run.id)).status;
  },

  async streaming({ openai, submitStream }) {
    const told = { text: "", done: [], calls: [] };
    const hear = (stream) =>
      stream
        .on("textDelta", (delta) => (told.text += delta.value))
        .on("textDone", (text) => told.done.push(text.value))
        .on("toolCallDone", (call) => told.calls.push(call.function.arguments));

    const assistant = await openai.beta.assistants.create({ model: "gpt-4o", tools: [WEATHER] });
    const thread = await openai.beta.threads.create();
    await openai.beta.threads.messages.create(thread.id, { role: "user", content: "Good morning" });
    const stream = hear(openai.beta.threads.runs.stream(thread.id, { assistant_id: assistant.id }));
    const final = await stream.finalRun();
    const [steps, messages] = [await stream.finalRunSteps(), await stream.finalMessages()];
    const second = hear(
      openai.beta.threads.createAndRunStream({
        assistant_id: assistant.id,
        thread: { messages: [{ role: "user", content: "The weather in 'Rome'?" }] },
      }),
    );
    for await (const { event, data } of second) {
      if (event !== "thread.run.requires_action") continue;
      const calls = data.required_action.submit_tool_outputs.tool_calls;
      const tool_outputs = calls.map((call) => ({ tool_call_id: call.id, output: "sun" }));
      await hear(submitStream(data.thread_id, data.id, { tool_outputs })).done();
    }
    return [final.status, final.usage.total_tokens > 0, steps.length, messages.length, told.text, told.done, told.calls];
  },

  async file_upload({ openai, remove }) {
    const file = await openai.files.create({
      file: await toFile(Buffer.from("a,b\n1,2\n"), "data.csv"),
      purpose: "assistants",
    });
    const content = await openai.files.content(file.id);
    return [file.filename, await content.text(), (await remove(openai.files, file.id)).deleted];
  },
};

// The calls that the majors write differently.
function of4(openai) {
  const { runs, messages } = openai.beta.threads;
  return {
    retrieve: (thread, run) => runs.retrieve(thread, run),
    cancel: (thread, run) => runs.cancel(thread, run),
    poll: (thread, run) => runs.poll(thread, run),
    steps: (thread, run, query) => runs.steps.list(thread, run, query),
    submitAndPoll: (thread, run, body) => runs.submitToolOutputsAndPoll(thread, run, body),
    submitStream: (thread, run, body) => runs.submitToolOutputsStream(thread, run, body),
    message: (thread, message) => messages.retrieve(thread, message),
    remove: (resource, id) => resource.del(id),
  };
}

function of7(openai) {
  const { runs, messages } = openai.beta.threads;
  return {
    retrieve: (thread_id, run) => runs.retrieve(run, { thread_id }),
    cancel: (thread_id, run) => runs.cancel(run, { thread_id }),
    poll: (thread_id, run) => runs.poll(run, { thread_id }),
    steps: (thread_id, run, query) => runs.steps.list(run, { thread_id, ...query }),
    submitAndPoll: (thread_id, run, body) => runs.submitToolOutputsAndPoll(run, { thread_id, ...body }),
    submitStream: (thread_id, run, body) => runs.submitToolOutputsStream(run, { thread_id, ...body }),
    message: (thread_id, message) => messages.retrieve(message, { thread_id }),
    remove: (resource, id) => resource.delete(id),
  };
}

const clients = { openai: [OpenAI, of7], openai4: [OpenAI4, of4] };

for await (const line of createInterface({ input: process.stdin })) {
  const { client, play, url } = JSON.parse(line);
  let told;
  try {
    const [Client, calls] = clients[client];
    const openai = new Client({ baseURL: url, apiKey: "not-needed", maxRetries: 0 });
    told = { told: await samples[play]({ openai, Client, ...calls(openai) }) };
  } catch (error) {
    told = { failed: String(error?.stack ?? error) };
  }
  process.stdout.write(JSON.stringify(told) + "\n");
}
