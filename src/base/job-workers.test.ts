// Goal: no more workers than allowed, each key once, in turn; nothing is lost when a worker breaks or the server stops.
import { expect, test } from 'vitest';
import { JobWorkers } from './job-workers.ts';
import { silentLog } from './log.ts';
import { ServerStopping } from './server-stopping.ts';

interface Job {
  key: number;
  name: string;
  isCanceling?: boolean;
}

function room(jobs: Job[], workersMax = 2) {
  const started: string[] = [];
  const ended: string[] = [];
  const finish = new Map<string, (how: 'over' | 'broken') => void>();
  const workers = new JobWorkers({
    ...{ workersMax, noun: 'test', log: silentLog },
    open: () => [...jobs],
    keyOf: ({ key }: Job) => key,
    isCanceling: ({ isCanceling }) => isCanceling === true,
    isOpen: (job) => jobs.includes(job),
    onEnd: ({ name }) => ended.push(name),
    newWorker: (job) => {
      started.push(job.name);
      let resolve: () => void = () => {};
      let reject: (reason: Error) => void = () => {};
      const promise = new Promise<void>((...both) => ([resolve, reject] = both));
      finish.set(job.name, (how) => {
        if (how === 'broken') return reject(new Error('broken'));
        jobs.splice(jobs.indexOf(job), 1);
        resolve();
      });
      return {
        run: () => promise,
        abort: (reason: Error) => (reason instanceof ServerStopping ? resolve() : reject(reason)),
      };
    },
  });
  const end = async (name: string, how: 'over' | 'broken' = 'over') => {
    finish.get(name)!(how);
    await new Promise(setImmediate);
  };
  return { workers, started, ended, end };
}

test('work in turn, as many as allowed, and of one key one at a time', async () => {
  const jobs = [1, 1, 2, 3].map((key, place) => ({ key, name: `${key}-${place}` }));
  const { workers, started, ended, end } = room(jobs);
  workers.pump();
  expect(started).toEqual([]);
  workers.start();
  expect(started).toEqual(['1-0', '2-2']);
  await end('1-0');
  expect(started).toEqual(['1-0', '2-2', '1-1']);
  await end('2-2');
  expect(started.at(-1)).toBe('3-3');
  await end('1-1');
  await end('3-3');
  expect(ended).toEqual(['1-0', '2-2', '1-1', '3-3']);
  expect(workers.of(1)).toBeUndefined();
});

test('a cancelled job does not wait for room', () => {
  const jobs: Job[] = [
    { key: 1, name: 'a' },
    { key: 2, name: 'b' },
    { key: 3, name: 'c', isCanceling: true },
  ];
  const { workers, started } = room(jobs, 1);
  workers.start();
  expect(started).toEqual(['a', 'c']);
});

test('a job whose worker broke waits for the next occasion, and is not lost', async () => {
  const jobs = [{ key: 1, name: 'a' }];
  const { workers, started, ended, end } = room(jobs);
  workers.start();
  await end('a', 'broken');
  expect(started).toEqual(['a']);
  expect(ended).toEqual([]);
  workers.pump();
  expect(started).toEqual(['a', 'a']);
});

test('stopping ends workers and starts none', async () => {
  const jobs = [
    { key: 1, name: 'a' },
    { key: 2, name: 'b' },
  ];
  const { workers, started, ended } = room(jobs, 1);
  workers.start();
  await workers.stop();
  await workers.ended(1);
  expect(started).toEqual(['a']);
  expect(ended).toEqual([]);
  workers.pump();
  expect(started).toEqual(['a']);
});
