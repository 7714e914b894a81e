// Goal: commands and parameters are read exactly as clients send them, and cut ones are refused.
import { describe, expect, test } from 'vitest';
import type { SqlValue } from '../model/result.ts';
import { ByteWriter } from './byte-writer.ts';
import { parseCommand } from './command.ts';
import { TYPE } from './constants.ts';
import { parseExecute, parseSendLongData, parseStatementId } from './prepared.ts';
import { fromHex } from './wire.fixture.ts';

describe('commands', () => {
  test.each<[string, unknown]>([
    ['01', { kind: 'quit' }],
    ['02 61 62', { kind: 'initDb', database: 'ab' }],
    ['03 61 62', { kind: 'query', sql: 'ab' }],
    ['04 74 00 25', { kind: 'fieldList', table: 't' }],
    ['09', { kind: 'statistics' }],
    ['0a', { kind: 'processInfo' }],
    ['0c 07 00 00 00', { kind: 'processKill', connectionId: 7 }],
    ['0e', { kind: 'ping' }],
    ['11 61', { kind: 'changeUser', body: fromHex('61') }],
    ['16 61', { kind: 'prepare', sql: 'a' }],
    ['17 01 00 00 00', { kind: 'execute', body: fromHex('01 00 00 00') }],
    ['18 01', { kind: 'longData', body: fromHex('01') }],
    ['19 01 00 00 00', { kind: 'closeStatement', statementId: 1 }],
    ['1a 01 00 00 00', { kind: 'resetStatement', statementId: 1 }],
    ['1b 01 00', { kind: 'setOption', option: 1 }],
    ['1f', { kind: 'resetConnection' }],
    ['12 00', { kind: 'unknown', code: 0x12 }],
  ])('%s is understood', (hex, command) => {
    expect(parseCommand(fromHex(hex))).toEqual(command);
  });

  test('an empty packet and a cut one are malformed', () => {
    expect(() => parseCommand(Buffer.alloc(0))).toThrow('Malformed');
    expect(() => parseCommand(fromHex('0c 07'))).toThrow('Malformed');
  });

  test('a statement that is not utf8mb4 is refused, never altered', () => {
    expect(() => parseCommand(fromHex('03 27 e9 27'))).toThrow('Invalid utf8mb4');
  });
});

interface Bound {
  code: number;
  unsigned?: boolean;
  write?: (writer: ByteWriter) => void;
}

/** COM_STMT_EXECUTE without its command byte. */
function execution(bound: Bound[], { withTypes = true } = {}): Buffer {
  const writer = new ByteWriter();
  writer.u32(1);
  writer.u8(0);
  writer.u32(1);
  const bitmap = Buffer.alloc((bound.length + 7) >> 3);
  bound.forEach(({ write }, i) => {
    if (!write) bitmap[i >> 3] = (bitmap[i >> 3] ?? 0) | (1 << (i & 7));
  });
  writer.bytes(bitmap);
  writer.u8(withTypes ? 1 : 0);
  for (const { code, unsigned } of withTypes ? bound : []) {
    writer.u8(code);
    writer.u8(unsigned ? 0x80 : 0);
  }
  for (const { write } of bound) write?.(writer);
  return writer.take();
}

const noLongData = new Map<number, Uint8Array>();
const raw = (hex: string) => (writer: ByteWriter) => writer.bytes(fromHex(hex));
const text = (value: string) => (writer: ByteWriter) => writer.lenencString(value);

describe('COM_STMT_EXECUTE', () => {
  test('is read as the example', () => {
    const body = fromHex('01 00 00 00 00 01 00 00 00 00 01 0f 00 03 66 6f 6f');
    expect(parseStatementId(body)).toBe(1);
    expect(parseExecute(body, { parameterCount: 1, types: null, longData: noLongData }).values).toEqual(['foo']);
  });

  test.each<[string, Bound, SqlValue]>([
    ['TINY', { code: TYPE.TINY, write: raw('80') }, -128n],
    ['unsigned TINY', { code: TYPE.TINY, unsigned: true, write: raw('80') }, 128n],
    ['SHORT', { code: TYPE.SHORT, write: raw('ff ff') }, -1n],
    ['YEAR', { code: TYPE.YEAR, unsigned: true, write: raw('ea 07') }, 2026n],
    ['LONG', { code: TYPE.LONG, write: raw('ff ff ff ff') }, -1n],
    ['unsigned INT24', { code: TYPE.INT24, unsigned: true, write: raw('ff ff ff 00') }, 16_777_215n],
    ['LONGLONG', { code: TYPE.LONGLONG, write: raw('ff ff ff ff ff ff ff ff') }, -1n],
    [
      'unsigned LONGLONG',
      { code: TYPE.LONGLONG, unsigned: true, write: raw('ff ff ff ff ff ff ff ff') },
      2n ** 64n - 1n,
    ],
    ['FLOAT', { code: TYPE.FLOAT, write: raw('00 00 c0 3f') }, 1.5],
    ['DOUBLE', { code: TYPE.DOUBLE, write: raw('66 66 66 66 66 66 24 40') }, 10.2],
    ['NULL type', { code: TYPE.NULL, write: raw('') }, null],
    ['NULL bit', { code: TYPE.LONG }, null],
    ['NEWDECIMAL', { code: TYPE.NEWDECIMAL, write: text('-1.50') }, '-1.50'],
    ['VAR_STRING', { code: TYPE.VAR_STRING, write: text('né 😀') }, 'né 😀'],
    ['bytes bound as text', { code: TYPE.VAR_STRING, write: raw('02 ff fe') }, fromHex('ff fe')],
    ['BLOB', { code: TYPE.BLOB, write: raw('02 61 62') }, fromHex('61 62')],
    ['BIT', { code: TYPE.BIT, write: raw('01 01') }, fromHex('01')],
    ['DATE', { code: TYPE.DATE, write: raw('04 da 07 0a 11') }, '2010-10-17'],
    ['zero DATE', { code: TYPE.DATE, write: raw('00') }, '0000-00-00'],
    ['DATETIME of a day', { code: TYPE.DATETIME, write: raw('04 da 07 0a 11') }, '2010-10-17 00:00:00'],
    ['DATETIME', { code: TYPE.DATETIME, write: raw('07 da 07 0a 11 13 1b 1e') }, '2010-10-17 19:27:30'],
    [
      'TIMESTAMP',
      { code: TYPE.TIMESTAMP, write: raw('0b da 07 0a 11 13 1b 1e 01 00 00 00') },
      '2010-10-17 19:27:30.000001',
    ],
    ['TIME', { code: TYPE.TIME, write: raw('0c 01 78 00 00 00 13 1b 1e 01 00 00 00') }, '-2899:27:30.000001'],
    ['short TIME', { code: TYPE.TIME, write: raw('08 00 00 00 00 00 01 02 03') }, '01:02:03'],
    ['zero TIME', { code: TYPE.TIME, write: raw('00') }, '00:00:00'],
  ])('reads a parameter of type %s', (_name, bound, value) => {
    const { values } = parseExecute(execution([bound]), { parameterCount: 1, types: null, longData: noLongData });
    expect(values).toEqual([value]);
  });

  test.each<[string, Bound]>([
    ['an unknown type', { code: 0x42, write: raw('00') }],
    ['a month 13', { code: TYPE.DATE, write: raw('04 da 07 0d 11') }],
    ['a DATETIME of a strange length', { code: TYPE.DATETIME, write: raw('05 da 07 0a 11 01') }],
    ['too many microseconds', { code: TYPE.DATETIME, write: raw('0b da 07 0a 11 13 1b 1e 40 42 0f 00') }],
    ['a TIME of a strange length', { code: TYPE.TIME, write: raw('03 00 00 00') }],
    ['an hour 24', { code: TYPE.TIME, write: raw('08 00 00 00 00 00 18 02 03') }],
    ['a text longer than the packet', { code: TYPE.STRING, write: raw('05 61') }],
  ])('refuses %s', (_name, bound) => {
    const state = { parameterCount: 1, types: null, longData: noLongData };
    expect(() => parseExecute(execution([bound]), state)).toThrow('Malformed');
  });

  test('remembers the types of an earlier execution', () => {
    const bound = [{ code: TYPE.TINY, unsigned: true, write: raw('ff') }];
    const first = parseExecute(execution(bound), { parameterCount: 1, types: null, longData: noLongData });
    const second = execution(bound, { withTypes: false });
    const state = { parameterCount: 1, types: first.types, longData: noLongData };
    expect(parseExecute(second, state).values).toEqual([255n]);
    expect(() => parseExecute(second, { ...state, types: null })).toThrow('Incorrect arguments to COM_STMT_EXECUTE');
  });

  test('takes parameters that were sent in pieces, as bytes or as text by their type', () => {
    const bound = [
      { code: TYPE.BLOB, write: raw('') },
      { code: TYPE.LONG, write: raw('07 00 00 00') },
      { code: TYPE.STRING, write: raw('') },
    ];
    const longData = new Map([
      [0, fromHex('61')],
      [2, fromHex('62')],
    ]);
    const { values } = parseExecute(execution(bound), { parameterCount: 3, types: null, longData });
    expect(values).toEqual([fromHex('61'), 7n, 'b']);
  });

  test('has nothing after its head when the statement has no parameters', () => {
    const state = { parameterCount: 0, types: null, longData: noLongData };
    expect(parseExecute(fromHex('01 00 00 00 00 01 00 00 00'), state).values).toEqual([]);
  });
});

test('COM_STMT_SEND_LONG_DATA names statement and parameter', () => {
  expect(parseSendLongData(fromHex('02 00 00 00 01 00 61 62'))).toEqual({
    statementId: 2,
    parameter: 1,
    bytes: fromHex('61 62'),
  });
});
