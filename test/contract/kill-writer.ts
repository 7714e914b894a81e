// A process that writes to a destination and is killed in the middle of it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { DestinationSpec } from '../../src/destination/destination.ts';
import { openDestinationSpec } from '../../src/destination/open-destination.ts';

export interface KilledWriting {
  /** `stream`: one object, `killed/stream`, that never ends; `puts`: objects `killed/puts/<n>`, each of one byte value. */
  mode: 'stream' | 'puts';
  /** Written before the end comes, in a stream; the size of each object, of puts. */
  bytes: number;
}

const CHUNK_BYTES = 1_000_000;
/** It is killed in the middle of what follows these puts. */
const PUTS_BEFORE = 3;

/** Runs the writer until it has written what is said, goes on a moment, and kills it: SIGKILL. */
export async function killWriter(spec: DestinationSpec, writing: KilledWriting): Promise<void> {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify({ spec, writing }));
  const exited = once(child, 'exit');
  const [said] = (await Promise.race([once(child.stdout, 'data'), exited])) as [Buffer | number | null];
  child.kill('SIGKILL');
  await exited;
  if (!Buffer.isBuffer(said)) throw new Error(`the writer ended by itself, with ${said}`);
}

async function write(spec: DestinationSpec, { mode, bytes }: KilledWriting): Promise<void> {
  const destination = openDestinationSpec(spec);
  if (mode === 'stream') {
    const writer = await destination.create('killed/stream');
    for (let done = 0; ; done += CHUNK_BYTES) {
      await writer.write(Buffer.alloc(CHUNK_BYTES, 'x'));
      if (done >= bytes && done < bytes + CHUNK_BYTES) process.stdout.write('written\n');
    }
  }
  for (let n = 0; ; n++) {
    await destination.put(`killed/puts/${n}`, Buffer.alloc(bytes, n));
    if (n === PUTS_BEFORE) process.stdout.write('written\n');
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  const { spec, writing } = JSON.parse(text) as { spec: DestinationSpec; writing: KilledWriting };
  await write(spec, writing);
}
