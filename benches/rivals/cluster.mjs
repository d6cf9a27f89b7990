// Runs a Node program as several processes on one port: node cluster.mjs PROCESSES PROGRAM [ARGUMENT …]
import cluster from "node:cluster";

const [processes, program, ...args] = process.argv.slice(2);
cluster.setupPrimary({ exec: program, args });
for (let number = 0; number < Number(processes); number++) {
  cluster.fork();
}
cluster.on("exit", (worker, code, signal) => {
  if (!worker.exitedAfterDisconnect) {
    console.error(`a process ended: ${signal ?? code}`);
    process.exit(1);
  }
});
