// Goal: OK, ERR, EOF, column definitions and rows, byte for byte as in the protocol's documentation.
import { describe, expect, test } from 'vitest';
import { type Column, type ColumnType, type SqlValue, varchar } from '../model/result.ts';
import type { ByteWriter } from './byte-writer.ts';
import { wireTypeOf, writeColumnDefinition, writeParameterDefinition } from './column-definition.ts';
import { HEADER } from './constants.ts';
import { writeEof, writeErr, writeOk } from './ok-err.ts';
import { writePrepareOk } from './prepared.ts';
import { writeBinaryRow } from './row-binary.ts';
import { writeTextRow } from './row-text.ts';
import { fromHex, packetHex, toHex } from './wire.fixture.ts';

const hex = (text: string) => toHex(fromHex(text));
const column = (type: ColumnType, name = 'c'): Column => ({ name, type });

describe('OK, EOF and ERR', () => {
  test('OK equals the example', () => {
    expect(packetHex(2, (writer) => writeOk(writer, { status: 2 }))).toBe('07 00 00 02 00 00 00 02 00 00 00');
  });

  test('OK carries counts, warnings and a text', () => {
    const facts = { affectedRows: 300n, lastInsertId: 2n ** 63n, status: 3, warnings: 70_000, info: 'Rows matched: 1' };
    expect(packetHex(1, (writer) => writeOk(writer, facts))).toBe(
      hex(`21 00 00 01 00 fc 2c 01 fe 00 00 00 00 00 00 00 80 03 00 ff ff 0f ${toHex(Buffer.from('Rows matched: 1'))}`),
    );
  });

  test('OK stands in for EOF', () => {
    expect(packetHex(5, (writer) => writeOk(writer, { status: 2 }, HEADER.EOF))).toBe(
      '07 00 00 05 fe 00 00 02 00 00 00',
    );
  });

  test('EOF equals the example', () => {
    expect(packetHex(5, (writer) => writeEof(writer, { status: 2 }))).toBe('05 00 00 05 fe 00 00 02 00');
  });

  test('ERR equals the example', () => {
    const facts = { errno: 1096, sqlState: 'HY000', message: 'No tables used' };
    expect(packetHex(1, (writer) => writeErr(writer, facts))).toBe(
      hex('17 00 00 01 ff 48 04 23 48 59 30 30 30 4e 6f 20 74 61 62 6c 65 73 20 75 73 65 64'),
    );
    expect(packetHex(0, (writer) => writeErr(writer, facts, { withSqlState: false }))).toBe(
      hex('11 00 00 00 ff 48 04 4e 6f 20 74 61 62 6c 65 73 20 75 73 65 64'),
    );
  });

  test('ERR cuts a long text between characters', () => {
    const facts = { errno: 1105, sqlState: 'HY', message: `a${'é'.repeat(3000)}` };
    const packet = fromHex(packetHex(1, (writer) => writeErr(writer, facts)));
    expect(packet.subarray(7, 13).toString()).toBe('#HY000');
    expect(packet.subarray(13).toString()).toBe(`a${'é'.repeat(2047)}`);
  });
});

describe('column definitions', () => {
  test('equal the example of @@version_comment but for character set and decimals', () => {
    const definition = column(varchar(7), '@@version_comment');
    expect(packetHex(2, (writer) => writeColumnDefinition(writer, definition))).toBe(
      hex(`27 00 00 02 03 64 65 66 00 00 00 11 40 40 76 65 72 73 69 6f 6e 5f 63 6f 6d 6d 65 6e 74 00
           0c 2d 00 1c 00 00 00 fd 00 00 00 00 00`),
    );
  });

  test('name schema, table and original column, and say NOT NULL', () => {
    const definition: Column = {
      name: 'alias',
      type: { base: 'bigint', unsigned: true },
      schema: 's',
      table: 't',
      orgName: 'o',
      isNullable: false,
    };
    expect(packetHex(1, (writer) => writeColumnDefinition(writer, definition))).toBe(
      hex('1f 00 00 01 03 64 65 66 01 73 01 74 01 74 05 61 6c 69 61 73 01 6f 0c 3f 00 14 00 00 00 08 a1 00 00 00 00'),
    );
  });

  test('of parameters equal the example', () => {
    expect(packetHex(2, writeParameterDefinition)).toBe(
      hex('17 00 00 02 03 64 65 66 00 00 00 01 3f 00 0c 3f 00 00 00 00 00 fd 80 00 00 00 00'),
    );
  });

  test.each<[ColumnType, [number, number, number, number, number]]>([
    [{ base: 'null' }, [0x06, 63, 0, 0x80, 0]],
    [{ base: 'tinyint' }, [0x01, 63, 4, 0x80, 0]],
    [{ base: 'tinyint', unsigned: true }, [0x01, 63, 3, 0xa0, 0]],
    [{ base: 'int' }, [0x03, 63, 11, 0x80, 0]],
    [{ base: 'bigint' }, [0x08, 63, 20, 0x80, 0]],
    [{ base: 'double' }, [0x05, 63, 22, 0x80, 31]],
    [{ base: 'decimal', length: 10, scale: 2 }, [0xf6, 63, 12, 0x80, 2]],
    [{ base: 'decimal', unsigned: true }, [0xf6, 63, 65, 0xa0, 0]],
    [{ base: 'varchar' }, [0xfd, 45, 65_532, 0, 0]],
    [{ base: 'longtext' }, [0xfc, 45, 0xffff_ffff, 0x10, 0]],
    [{ base: 'longblob' }, [0xfc, 63, 0xffff_ffff, 0x90, 0]],
    [{ base: 'date', scale: 3 }, [0x0a, 63, 10, 0x80, 0]],
    [{ base: 'time', scale: 3 }, [0x0b, 63, 14, 0x80, 3]],
    [{ base: 'datetime' }, [0x0c, 63, 19, 0x80, 0]],
    [{ base: 'timestamp', scale: 9 }, [0x07, 63, 26, 0x80, 6]],
  ])('announce %j', (type, [code, charset, length, flags, decimals]) => {
    expect(wireTypeOf(type)).toEqual({ code, charset, length, flags, decimals });
  });
});

test('PREPARE is answered as in the example', () => {
  const facts = { statementId: 1, columnCount: 1, parameterCount: 2 };
  expect(packetHex(1, (writer) => writePrepareOk(writer, facts))).toBe(
    '0c 00 00 01 00 01 00 00 00 01 00 02 00 00 00 00',
  );
});

describe('text rows', () => {
  test('hold every value as its text', () => {
    const row: SqlValue[] = [null, 9_007_199_254_740_993n, -1.5, 1e25, 'é', fromHex('00 ff'), '', 1e-7, -0, Infinity];
    expect(packetHex(0, (writer) => writeTextRow(writer, row)).slice(12)).toBe(
      [
        'fb',
        `10 ${toHex(Buffer.from('9007199254740993'))}`,
        `04 ${toHex(Buffer.from('-1.5'))}`,
        `1a ${toHex(Buffer.from('10000000000000000905969664'))}`,
        '02 c3 a9',
        '02 00 ff',
        '00',
        `04 ${toHex(Buffer.from('1e-7'))}`,
        `01 ${toHex(Buffer.from('0'))}`,
        `08 ${toHex(Buffer.from('Infinity'))}`,
      ].join(' '),
    );
  });
});

describe('binary rows', () => {
  const rowHex = (columns: Column[], row: SqlValue[]) =>
    packetHex(0, (writer: ByteWriter) => writeBinaryRow(writer, columns, row)).slice(12);
  const valueHex = (type: ColumnType, value: SqlValue) => rowHex([column(type)], [value]).slice(6);

  test('equal the example of one string', () => {
    expect(packetHex(4, (writer) => writeBinaryRow(writer, [column(varchar(6))], ['foobar']))).toBe(
      '09 00 00 04 00 00 06 66 6f 6f 62 61 72',
    );
  });

  test('say NULL in a bitmap that starts at the third bit', () => {
    const columns = Array.from({ length: 9 }, () => column({ base: 'tinyint' }));
    const row: SqlValue[] = [null, 1n, null, 1n, 1n, 1n, null, 1n, null];
    expect(rowHex(columns, row)).toBe('00 14 05 01 01 01 01 01');
  });

  test.each<[ColumnType, SqlValue, string]>([
    [{ base: 'tinyint' }, -128n, '80'],
    [{ base: 'tinyint', unsigned: true }, 255n, 'ff'],
    [{ base: 'int' }, -1n, 'ff ff ff ff'],
    [{ base: 'int', unsigned: true }, 4_294_967_295n, 'ff ff ff ff'],
    [{ base: 'bigint' }, 1n, '01 00 00 00 00 00 00 00'],
    [{ base: 'bigint' }, -9_223_372_036_854_775_808n, '00 00 00 00 00 00 00 80'],
    [{ base: 'bigint', unsigned: true }, 18_446_744_073_709_551_615n, 'ff ff ff ff ff ff ff ff'],
    [{ base: 'bigint' }, '9007199254740993', '01 00 00 00 00 00 20 00'],
    [{ base: 'bigint' }, 3, '03 00 00 00 00 00 00 00'],
    [{ base: 'double' }, 10.2, '66 66 66 66 66 66 24 40'],
    [{ base: 'double' }, '10.2', '66 66 66 66 66 66 24 40'],
    [{ base: 'double' }, 2n, '00 00 00 00 00 00 00 40'],
    [{ base: 'double' }, Number.NaN, '00 00 00 00 00 00 f8 7f'],
    [{ base: 'decimal', length: 4, scale: 2 }, '-1.50', '05 2d 31 2e 35 30'],
    [{ base: 'varchar' }, 12n, '02 31 32'],
    [{ base: 'longtext' }, 'é', '02 c3 a9'],
    [{ base: 'longblob' }, fromHex('00 ff'), '02 00 ff'],
    [{ base: 'date' }, '2010-10-17', '04 da 07 0a 11'],
    [{ base: 'datetime' }, '2010-10-17 19:27:30.000001', '0b da 07 0a 11 13 1b 1e 01 00 00 00'],
    [{ base: 'datetime' }, '2010-10-17T19:27:30', '07 da 07 0a 11 13 1b 1e'],
    [{ base: 'timestamp' }, '2010-10-17 00:00:00', '04 da 07 0a 11'],
    [{ base: 'timestamp', scale: 9 }, '2010-10-17 19:27:30.000001999', '0b da 07 0a 11 13 1b 1e 01 00 00 00'],
    [{ base: 'datetime' }, '0000-00-00 00:00:00', '00'],
    [{ base: 'time' }, '-2899:27:30.000001', '0c 01 78 00 00 00 13 1b 1e 01 00 00 00'],
    [{ base: 'time' }, '-2899:27:30', '08 01 78 00 00 00 13 1b 1e'],
    [{ base: 'time' }, '01:02', '08 00 00 00 00 00 01 02 00'],
    [{ base: 'time' }, '00:00:00', '00'],
  ])('write %j %s', (type, value, expected) => {
    expect(valueHex(type, value)).toBe(expected);
  });

  test.each<[ColumnType, SqlValue]>([
    [{ base: 'null' }, 1n],
    [{ base: 'tinyint' }, 128n],
    [{ base: 'tinyint', unsigned: true }, -1n],
    [{ base: 'int' }, 2_147_483_648n],
    [{ base: 'bigint' }, 9_223_372_036_854_775_808n],
    [{ base: 'bigint' }, 'twelve'],
    [{ base: 'bigint' }, 1.5],
    [{ base: 'bigint' }, fromHex('31')],
    [{ base: 'double' }, 9_007_199_254_740_993n],
    [{ base: 'double' }, 'x'],
    [{ base: 'double' }, ''],
    [{ base: 'double' }, fromHex('31')],
    [{ base: 'date' }, 'yesterday'],
    [{ base: 'date' }, 20_101_017n],
    [{ base: 'datetime' }, '2010-13-17 19:27:30'],
    [{ base: 'time' }, '10:60:00'],
    [{ base: 'time' }, 'noon'],
    [{ base: 'time' }, 1n],
  ])('refuse, rather than guess, %j %s', (type, value) => {
    expect(() => valueHex(type, value)).toThrow(`Incorrect ${type.base} value`);
  });
});
