// The commands of the command phase, parsed from their packets.
import { ByteReader } from './byte-reader.ts';
import { COMMAND } from './constants.ts';

export type Command =
  | { kind: 'quit' | 'statistics' | 'processInfo' | 'ping' | 'resetConnection' }
  | { kind: 'initDb'; database: string }
  | { kind: 'query' | 'prepare'; sql: string }
  | { kind: 'fieldList'; table: string }
  | { kind: 'processKill'; connectionId: number }
  | { kind: 'setOption'; option: number }
  | { kind: 'changeUser' | 'execute' | 'longData'; body: Buffer }
  | { kind: 'closeStatement' | 'resetStatement'; statementId: number }
  | { kind: 'unknown'; code: number };

/**
 * Parses one command packet.
 * @throws MALFORMED_PACKET (1835), INVALID_CHARACTERS (1300) for a statement that is not utf8mb4
 */
export function parseCommand(payload: Uint8Array): Command {
  const reader = new ByteReader(payload, 'command');
  const code = reader.u8();
  switch (code) {
    case COMMAND.QUIT:
      return { kind: 'quit' };
    case COMMAND.STATISTICS:
      return { kind: 'statistics' };
    case COMMAND.PROCESS_INFO:
      return { kind: 'processInfo' };
    case COMMAND.PING:
      return { kind: 'ping' };
    case COMMAND.RESET_CONNECTION:
      return { kind: 'resetConnection' };
    case COMMAND.INIT_DB:
      return { kind: 'initDb', database: reader.restString() };
    case COMMAND.QUERY:
      return { kind: 'query', sql: reader.restString() };
    case COMMAND.STMT_PREPARE:
      return { kind: 'prepare', sql: reader.restString() };
    case COMMAND.FIELD_LIST:
      return { kind: 'fieldList', table: reader.nulString() };
    case COMMAND.PROCESS_KILL:
      return { kind: 'processKill', connectionId: reader.u32() };
    case COMMAND.SET_OPTION:
      return { kind: 'setOption', option: reader.u16() };
    case COMMAND.CHANGE_USER:
      return { kind: 'changeUser', body: reader.rest() };
    case COMMAND.STMT_EXECUTE:
      return { kind: 'execute', body: reader.rest() };
    case COMMAND.STMT_SEND_LONG_DATA:
      return { kind: 'longData', body: reader.rest() };
    case COMMAND.STMT_CLOSE:
      return { kind: 'closeStatement', statementId: reader.u32() };
    case COMMAND.STMT_RESET:
      return { kind: 'resetStatement', statementId: reader.u32() };
    default:
      return { kind: 'unknown', code };
  }
}
