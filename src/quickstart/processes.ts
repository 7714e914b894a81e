// The processes of the quick start: the server and the sample application, which outlive it unless told otherwise.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 50;
const LOG_TAIL_CHARS = 2000;

export interface Background {
  pid: number;
  stop(): Promise<void>;
  /** Lets it live on after this process. */
  release(): void;
}

/**
 * Starts a module of this build in the background and waits until it prints `ready`.
 * @throws Error with the end of its log when it ends or stays silent
 */
export async function startBackground(
  module: string,
  args: string[],
  options: { logPath: string; ready: string },
): Promise<Background> {
  const log = openSync(options.logPath, 'w');
  const child: ChildProcess = spawn(process.execPath, [fileURLToPath(new URL(module, import.meta.url)), ...args], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let exit: string | undefined;
  child.once('exit', (code, signal) => {
    exit = signal ?? `code ${code}`;
  });
  const output = () => readFileSync(options.logPath, 'utf8');
  for (let waitedMs = 0; !output().includes(options.ready); waitedMs += POLL_MS) {
    if (exit !== undefined || waitedMs > READY_TIMEOUT_MS) {
      child.kill('SIGKILL');
      throw new Error(`${module} did not start (${exit ?? 'no answer'}):\n${output().slice(-LOG_TAIL_CHARS)}`);
    }
    await sleep(POLL_MS);
  }
  return {
    pid: child.pid ?? 0,
    release: () => child.unref(),
    async stop() {
      child.kill('SIGTERM');
      for (let waitedMs = 0; exit === undefined && waitedMs < STOP_TIMEOUT_MS; waitedMs += POLL_MS)
        await sleep(POLL_MS);
      if (exit === undefined) child.kill('SIGKILL');
    },
  };
}
