// Goal: the packets of the connection phase, byte for byte as in the protocol's documentation.
import { describe, expect, test } from 'vitest';
import { ByteWriter } from './byte-writer.ts';
import { CAPABILITY, NATIVE_PLUGIN, SCRAMBLE_BYTES } from './constants.ts';
import {
  parseChangeUser,
  parseHandshakeResponse,
  writeAuthMoreData,
  writeAuthSwitchRequest,
  writeGreeting,
} from './handshake.ts';
import { fromHex, packetHex, toHex } from './wire.fixture.ts';

const hex = (text: string) => toHex(fromHex(text));

/** Protocol::HandshakeResponse41, example of MySQL 5.6.6 with attributes, without its frame header. */
const RESPONSE_566 = `
85 a2 1e 00 00 00 00 40 08 00 00 00 00 00 00 00
00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
72 6f 6f 74 00 14 22 50 79 a2 12 d4 e8 82 e5 b3
f4 1a 97 75 6b c8 be db 9f 80 6d 79 73 71 6c 5f
6e 61 74 69 76 65 5f 70 61 73 73 77 6f 72 64 00
61 03 5f 6f 73 09 64 65 62 69 61 6e 36 2e 30 0c
5f 63 6c 69 65 6e 74 5f 6e 61 6d 65 08 6c 69 62
6d 79 73 71 6c 04 5f 70 69 64 05 32 32 33 34 34
0f 5f 63 6c 69 65 6e 74 5f 76 65 72 73 69 6f 6e
08 35 2e 36 2e 36 2d 6d 39 09 5f 70 6c 61 74 66
6f 72 6d 06 78 38 36 5f 36 34 03 66 6f 6f 03 62
61 72`;

describe('greeting', () => {
  test('equals the example of MySQL 5.6.4 but for the character set, here utf8mb4', () => {
    const greeting = {
      serverVersion: '5.6.4-m7-log',
      connectionId: 0x0a56,
      scramble: fromHex('52 42 33 76 7a 26 47 72 2b 79 44 26 2f 5a 5a 33 30 35 5a 47'),
      capabilities: 0xc00fffff,
      status: 2,
      authPlugin: NATIVE_PLUGIN,
    };
    expect(packetHex(0, (writer) => writeGreeting(writer, greeting))).toBe(
      hex(`50 00 00 00 0a 35 2e 36 2e 34 2d 6d 37 2d 6c 6f 67 00 56 0a 00 00 52 42 33 76 7a 26 47 72 00 ff ff 2d 02 00
           0f c0 15 00 00 00 00 00 00 00 00 00 00 2b 79 44 26 2f 5a 5a 33 30 35 5a 47 00 6d 79 73 71 6c 5f 6e 61 74 69
           76 65 5f 70 61 73 73 77 6f 72 64 00`),
    );
  });
});

describe('handshake response', () => {
  test('is read as the example of MySQL 5.6.6', () => {
    const response = parseHandshakeResponse(fromHex(RESPONSE_566));
    expect(response).toMatchObject({
      kind: 'response',
      user: 'root',
      database: null,
      charset: 8,
      authPlugin: NATIVE_PLUGIN,
    });
    if (response.kind !== 'response') throw new Error('not a response');
    expect(toHex(response.proof)).toBe('22 50 79 a2 12 d4 e8 82 e5 b3 f4 1a 97 75 6b c8 be db 9f 80');
    expect(Object.fromEntries(response.attributes)).toEqual({
      _os: 'debian6.0',
      _client_name: 'libmysql',
      _pid: '22344',
      _client_version: '5.6.6-m9',
      _platform: 'x86_64',
      foo: 'bar',
    });
  });

  test('is refused when it is cut at any byte but between its optional last fields', () => {
    const whole = fromHex(RESPONSE_566);
    const [endOfProof, endOfPlugin] = [58, 80];
    for (let length = 0; length < whole.length; length++) {
      const parse = () => parseHandshakeResponse(whole.subarray(0, length));
      if (length < endOfProof || length > endOfPlugin)
        expect(parse, `cut at ${length}`).toThrow(/Malformed|Bad handshake/);
      else expect(parse()).toMatchObject({ kind: 'response', user: 'root' });
    }
  });

  test('names a database and has no plugin in clients that know none', () => {
    const writer = new ByteWriter();
    writer.u32(CAPABILITY.PROTOCOL_41 | CAPABILITY.SECURE_CONNECTION | CAPABILITY.CONNECT_WITH_DB);
    writer.u32(0);
    writer.u8(45);
    writer.zeros(23);
    writer.nulString('app@shop');
    writer.u8(0);
    writer.nulString('orders');
    expect(parseHandshakeResponse(writer.take())).toMatchObject({
      user: 'app@shop',
      database: 'orders',
      authPlugin: null,
    });
  });

  test('takes an attribute that is not utf8mb4 as what it is: small talk', () => {
    const writer = new ByteWriter();
    writer.u32(
      CAPABILITY.PROTOCOL_41 | CAPABILITY.SECURE_CONNECTION | CAPABILITY.CONNECT_ATTRS | CAPABILITY.PLUGIN_AUTH_LENENC,
    );
    writer.zeros(28);
    writer.nulString('u');
    writer.lenencInt(0);
    writer.lenencBytes(fromHex('01 61 01 ff'));
    const response = parseHandshakeResponse(writer.take());
    expect(response.kind === 'response' && response.attributes.get('a')).toBe('\ufffd');
  });

  test('is an SSL request when it stops before the user', () => {
    const writer = new ByteWriter();
    writer.u32(CAPABILITY.PROTOCOL_41 | CAPABILITY.SSL);
    writer.zeros(28);
    expect(parseHandshakeResponse(writer.take()).kind).toBe('ssl');
  });

  test('is refused from clients before MySQL 4.1', () => {
    expect(() => parseHandshakeResponse(Buffer.alloc(40))).toThrow('older than MySQL 4.1');
    expect(() => parseHandshakeResponse(Buffer.alloc(5))).toThrow('too short');
    const writer = new ByteWriter();
    writer.u32(CAPABILITY.PROTOCOL_41);
    writer.zeros(30);
    expect(() => parseHandshakeResponse(writer.take())).toThrow('passwords from before MySQL 4.1');
  });
});

describe('plugin packets', () => {
  test('AuthSwitchRequest equals the example', () => {
    const scramble = fromHex('7a 51 67 34 69 6f 4e 79 3d 72 48 4e 2f 3e 2d 62 29 41');
    expect(packetHex(2, (writer) => writeAuthSwitchRequest(writer, { plugin: NATIVE_PLUGIN, scramble }))).toBe(
      hex(`2a 00 00 02 fe 6d 79 73 71 6c 5f 6e 61 74 69 76 65 5f 70 61 73 73 77 6f 72 64 00
           7a 51 67 34 69 6f 4e 79 3d 72 48 4e 2f 3e 2d 62 29 41 00`),
    );
    expect(SCRAMBLE_BYTES).toBe(20);
  });

  test('AuthMoreData carries its data behind one byte', () => {
    expect(packetHex(4, (writer) => writeAuthMoreData(writer, Uint8Array.of(3)))).toBe('02 00 00 04 01 03');
  });
});

describe('COM_CHANGE_USER', () => {
  test('is read with and without its later fields', () => {
    const writer = new ByteWriter();
    writer.nulString('root@sys');
    writer.u8(2);
    writer.bytes(fromHex('01 02'));
    const short = writer.copyFrom(0);
    writer.nulString('oceanbase');
    writer.u16(45);
    writer.string(NATIVE_PLUGIN);
    const long = writer.take();
    expect(parseChangeUser(long, CAPABILITY.PLUGIN_AUTH)).toEqual({
      user: 'root@sys',
      proof: fromHex('01 02'),
      database: 'oceanbase',
      charset: 45,
      authPlugin: NATIVE_PLUGIN,
    });
    expect(parseChangeUser(short, CAPABILITY.PLUGIN_AUTH)).toMatchObject({
      database: null,
      charset: null,
      authPlugin: null,
    });
  });
});
