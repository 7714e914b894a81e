// A child for child-process.test.ts: answers, refuses, calls back and ends in every way.
import { assert } from './assert.ts';
import { serveParent } from './child-process.ts';
import { fail } from './errors.ts';

const parent = serveParent({
  echo: (argument: unknown) => argument,
  expected: () => {
    throw fail('BACKUP_FILE_NOT_EXIST', { file: 'a' });
  },
  bug: () => assert(false, 'the child is right'),
  ask: async (question: string) => `${await parent.call<string>('answer', question)}!`,
  note: (text: string) => parent.tell('noted', text),
  never: () => new Promise(() => {}),
  exit: (code: number) => process.exit(code),
});
