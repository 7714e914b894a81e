// Goal: calls over the channel arrive whole, errors keep their kind, and no call waits for a child that is gone.
import { afterEach, describe, expect, test } from 'vitest';
import { ChannelClosed, type Child, forkChild, type Verbs } from './child-process.ts';
import { isFailure } from './errors.ts';

const STOP_MS_MAX = 10_000;
const children: Child[] = [];

function start(verbs: Verbs = {}, entry = './child-process.fixture'): Child {
  const child = forkChild(entry, import.meta.url, verbs);
  children.push(child);
  return child;
}
afterEach(async () => {
  for (const child of children) child.kill();
  await Promise.all(children.splice(0).map(({ exited }) => exited));
});

describe('a forked child', () => {
  test('answers with bigint and bytes unharmed, and throws errors of the same kind', async () => {
    const child = start();
    const argument = { scn: 2n ** 63n, bytes: new Uint8Array([0, 255]), nothing: null };
    expect(await child.call('echo', argument)).toEqual(argument);
    const expected = await child.call('expected').catch((error: unknown) => error);
    expect(isFailure(expected, 'BACKUP_FILE_NOT_EXIST')).toBe(true);
    await expect(child.call('bug')).rejects.toThrow('assertion failed: the child is right');
    await expect(child.call('nonsense')).rejects.toThrow('the other side knows the verb nonsense');
  });

  test('calls back, and notes need no answer', async () => {
    let noted: (text: string) => void = () => {};
    const note = new Promise<string>((resolve) => {
      noted = resolve;
    });
    const child = start({ answer: (question: string) => `${question} yes`, noted: (text: string) => noted(text) });
    expect(await child.call('ask', 'ready?')).toBe('ready? yes!');
    child.tell('note', 'hello');
    child.tell('a note that nobody knows');
    expect(await note).toBe('hello');
  });

  test('that dies fails every call, running and later, with how it went', async () => {
    const child = start();
    await child.call('echo');
    const running = child.call('never').catch((error: unknown) => error);
    child.call('exit', 7).catch(() => {});
    expect(await child.exited).toBe(`process ${child.pid} ended (code 7)`);
    expect(await running).toBeInstanceOf(ChannelClosed);
    await expect(child.call('echo')).rejects.toThrow('echo: process');
    child.tell('note');
  });

  test('ends when it is stopped, and when it is killed', async () => {
    const [stopped, killed] = [start(), start()];
    await Promise.all([stopped.call('echo'), killed.call('echo')]);
    await stopped.stop(STOP_MS_MAX);
    await stopped.stop(STOP_MS_MAX);
    killed.kill();
    expect(await stopped.exited).toContain('SIGKILL');
    expect(await killed.exited).toContain('SIGKILL');
  });
});
