// A server that answers every query with the same row, made of mysql2's `createServer`: what the protocol alone costs in
// this language. Two of its habits are mended, or it would be slow for no reason: it waits to fill packets of the network,
// and counts packets on from one statement to the next. Prints its port.
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';

interface Connection {
  sequenceId: number;
  stream: Socket;
  serverHandshake(options: object): void;
  on(event: string, listener: (...args: unknown[]) => void): void;
  writeTextResult(rows: object[], columns: object[]): void;
  writeOk(message: string): void;
}
const mysql = createRequire(import.meta.url)('mysql2') as {
  createServer(onConnection: (connection: Connection) => void): {
    listen(port: number, host: string, onListening: () => void): void;
    _server: { address(): { port: number } };
  };
};

/** MYSQL_TYPE_LONGLONG; utf8mb4. */
const COLUMN = { catalog: 'def', schema: '', table: '', orgTable: '', name: '1', orgName: '1', characterSet: 63 };
const column = { ...COLUMN, columnLength: 20, columnType: 8, flags: 0, decimals: 0 };

// After a login it warns that the first statement does not count on.
console.error = () => {};

const server = mysql.createServer((connection) => {
  connection.stream.setNoDelay(true);
  connection.serverHandshake({
    ...{ protocolVersion: 10, serverVersion: '8.0.0', connectionId: 1, statusFlags: 2, characterSet: 8 },
    capabilityFlags: 0xffffff,
  });
  connection.on('query', () => {
    connection.sequenceId = 1;
    connection.writeTextResult([{ 1: 1 }], [column]);
    connection.sequenceId = 0;
  });
  connection.on('ping', () => connection.writeOk(''));
  connection.on('error', () => {});
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server._server.address().port}\n`));
