// An Azure Cosmos DB in memory, on this port, or one of the system's choice, which is the first line it prints. It ends with its
// standard input.
import { createRequire } from "node:module";

const { createHttpServer } = createRequire(import.meta.url)("@vercel/cosmosdb-server");

const server = createHttpServer({ keepAlive: true });
// It answers 500 for an item that is not there; with this header, 404 as Cosmos DB does.
server.prependListener("request", (request) => {
  if (request.method === "GET") request.headers["x-ms-documentdb-query-enablecrosspartition"] = "true";
});
server.keepAliveTimeout = 600_000;
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit());
