import { expect, test, vi } from 'vitest';
import { fail } from './errors.ts';
import { createLog, type LogLevel, silentLog } from './log.ts';

function collect(level?: LogLevel) {
  const lines: string[] = [];
  return { log: createLog(level, (line) => lines.push(line)), lines };
}

test('an event is one JSON line with time, level, name and facts', () => {
  const { log, lines } = collect();
  log.info('archive round begins', { tenantId: 1002, scn: 1_740_790_800_120_000_000n });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^[^\n]+\n$/);
  expect(JSON.parse(lines[0]!)).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    level: 'info',
    event: 'archive round begins',
    tenantId: 1002,
    scn: '1740790800120000000',
  });
});

test('events below the level are dropped', () => {
  for (const [level, count] of [
    ['debug', 4],
    ['info', 3],
    ['warn', 2],
    ['error', 1],
  ] as const) {
    const { log, lines } = collect(level);
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    expect(lines).toHaveLength(count);
  }
});

test('an expected error is its name and message, a bug keeps stack and cause', () => {
  const { log, lines } = collect();
  log.warn('a', { error: fail('BACKUP_IN_PROGRESS', {}) });
  log.error('b', { error: new TypeError('x', { cause: new Error('y') }) });
  const [expected, bug] = lines.map((line) => JSON.parse(line).error);
  expect(expected).toEqual({ name: 'BACKUP_IN_PROGRESS', message: 'Backup is in progress' });
  expect(bug).toMatchObject({ name: 'TypeError', message: 'x', stack: expect.any(String), cause: { message: 'y' } });
});

test('without a writer events go to standard error, and the silent log writes nothing', () => {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    silentLog.error('a');
    expect(write).not.toHaveBeenCalled();
    createLog().info('b');
    expect(write).toHaveBeenCalledOnce();
  } finally {
    write.mockRestore();
  }
});
