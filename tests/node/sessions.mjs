// What the drivers share: a session is one user of one client, told line by line what to do.
//
// In:  {"open": settings} first, then steps: {"say": text, "outputs": [text, ...] or {id: text}, "alone": bool, "url": base,
//      "loop": {name: output}}
// Out: one line for each: {"opened": true}, or what the client saw: {"text", "calls": [[name, arguments]], "finish"} with
//      "parsed" and "tokens" where they were asked for, or {"refused": status, "param"}, or {"failed": stack} for what
//      should not happen.
import { createInterface } from "node:readline";

export async function serve(clients) {
  let session;
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    let told;
    try {
      if (order.open) session = clients[order.open.client](order.open);
      told = order.open ? { opened: true } : await session(order);
    } catch (error) {
      told = { failed: String(error?.stack ?? error) };
    }
    process.stdout.write(JSON.stringify(told) + "\n");
  }
}

// The step's outputs as pairs of a call's id and text; `calls` are the last answer's.
export function answers(outputs, calls) {
  if (!outputs) return [];
  return Array.isArray(outputs) ? outputs.map((text, at) => [calls[at].id, text]) : Object.entries(outputs);
}
