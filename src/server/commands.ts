// What each command of the protocol does. A command's error is its answer; the connection goes on.

import { fail } from '../base/errors.ts';
import { quoteName, quoteNameMysql } from '../engine/sql-tokens.ts';
import { writeColumnDefinition, writeParameterDefinition } from '../wire/column-definition.ts';
import { type Command, parseCommand } from '../wire/command.ts';
import { CAPABILITY, HEADER } from '../wire/constants.ts';
import {
  PREPARED_FIELDS_MAX,
  parseExecute,
  parseSendLongData,
  parseStatementId,
  writePrepareOk,
} from '../wire/prepared.ts';
import { type AnswerContext, answerEnd, answerEndOfDefinitions, answerOk, answerResult } from './answer.ts';
import type { PreparedStatements } from './statements.ts';

/** What commands may use of their connection. */
export interface CommandContext extends AnswerContext {
  readonly statements: PreparedStatements;
  readonly hasMultiStatements: boolean;
  setMultiStatements(isOn: boolean): void;
  changeUser(body: Uint8Array): Promise<void>;
  /** The line that COM_STATISTICS answers. */
  statistics(): string;
}

/** What the process list shows for each kind of command. */
const COMMAND_NAMES: Record<Command['kind'], string> = {
  quit: 'Quit',
  statistics: 'Statistics',
  processInfo: 'Processlist',
  ping: 'Ping',
  resetConnection: 'Reset Connection',
  initDb: 'Init DB',
  query: 'Query',
  prepare: 'Prepare',
  fieldList: 'Field List',
  processKill: 'Kill',
  setOption: 'Set option',
  changeUser: 'Change user',
  execute: 'Execute',
  longData: 'Long Data',
  closeStatement: 'Close stmt',
  resetStatement: 'Reset stmt',
  unknown: 'Unknown',
};

/**
 * Runs one command and writes its answer.
 * @param begin is told the command's name before it runs
 * @returns false when the client has said good-bye
 * @throws what the command's answer must say; its packet takes the place of the rest of the answer
 */
export async function runCommand(
  context: CommandContext,
  payload: Uint8Array,
  begin: (name: string) => void,
): Promise<boolean> {
  const command = parseCommand(payload);
  begin(COMMAND_NAMES[command.kind]);
  if (command.kind === 'quit') return false;
  if (!runQuiet(context, command)) await runAnswered(context, command);
  return true;
}

/** The two commands that have no answer, not even when they fail. @returns false for all others */
function runQuiet({ statements }: CommandContext, command: Command): boolean {
  if (command.kind === 'closeStatement') statements.close(command.statementId);
  else if (command.kind === 'longData') statements.addLongData(parseSendLongData(command.body));
  else return false;
  return true;
}

async function runAnswered(context: CommandContext, command: Command): Promise<void> {
  const { service, session } = context;
  switch (command.kind) {
    case 'query':
      return await runQuery(context, command.sql);
    case 'prepare':
      return await prepareStatement(context, command.sql);
    case 'execute':
      return await executeStatement(context, command.body);
    case 'fieldList':
      return await listFields(context, command.table);
    // These two are statements in another coat; the statement also checks who may do it.
    case 'processInfo':
      return await runQuery(context, 'SHOW PROCESSLIST');
    case 'processKill':
      return await runQuery(context, `KILL ${command.connectionId}`);
    case 'changeUser':
      return await context.changeUser(command.body);
    case 'setOption':
      return setOption(context, command.option);
    case 'statistics':
      return context.stream.write((writer) => writer.string(context.statistics()));
    case 'initDb':
      await service.useDatabase(session, command.database);
      break;
    case 'resetConnection':
      context.statements.clear();
      await service.resetSession(session);
      break;
    case 'resetStatement':
      context.statements.reset(command.statementId);
      break;
    case 'unknown':
      throw fail('UNKNOWN_COMMAND', { command: `0x${command.code.toString(16).padStart(2, '0')}` });
    default:
      break;
  }
  answerOk(context);
}

async function runQuery(context: CommandContext, sql: string): Promise<void> {
  const { service, session, signal } = context;
  const parts = context.hasMultiStatements ? service.split(sql, session.mode) : [];
  // A text without any statement goes down whole: what that means is not for this room to say.
  const statements = parts.length > 0 ? parts : [sql];
  for (const [place, statement] of statements.entries()) {
    if (place > 0 && signal.aborted) throw fail('QUERY_INTERRUPTED', {});
    const result = await service.execute(session, statement, [], signal);
    await answerResult(context, result, { form: 'text', hasMore: place < statements.length - 1 });
  }
}

async function prepareStatement(context: CommandContext, sql: string): Promise<void> {
  const { stream, service, session, statements } = context;
  const { parameterCount, columns } = await service.prepare(session, sql);
  if (parameterCount > PREPARED_FIELDS_MAX || columns.length > PREPARED_FIELDS_MAX) {
    throw fail('TOO_MANY_PREPARED', { what: 'parameters or columns', max: PREPARED_FIELDS_MAX });
  }
  const statement = statements.add(sql, parameterCount);
  stream.write((writer) =>
    writePrepareOk(writer, { statementId: statement.id, columnCount: columns.length, parameterCount }),
  );
  for (let i = 0; i < parameterCount; i++) stream.write(writeParameterDefinition);
  if (parameterCount > 0) answerEndOfDefinitions(context);
  for (const column of columns) stream.write((writer) => writeColumnDefinition(writer, column));
  if (columns.length > 0) answerEndOfDefinitions(context);
}

async function executeStatement(context: CommandContext, body: Uint8Array): Promise<void> {
  const { service, session, statements, signal } = context;
  const statement = statements.get(parseStatementId(body));
  const longData = statements.takeLongData(statement.id);
  const { types, values } = parseExecute(body, { ...statement, longData });
  statement.types = types;
  const result = await service.execute(session, statement.sql, values, signal);
  await answerResult(context, result, { form: 'binary', hasMore: false });
}

/** COM_FIELD_LIST, which command line clients use to complete names: the columns of a table. */
async function listFields(context: CommandContext, table: string): Promise<void> {
  const { stream, service, session } = context;
  const name = session.mode === 'oracle' ? quoteName(table) : quoteNameMysql(table);
  const { columns } = await service.prepare(session, `SELECT * FROM ${name}`);
  for (const column of columns) {
    stream.write((writer) => {
      writeColumnDefinition(writer, column);
      // The default value, which only this command knows: none.
      writer.u8(HEADER.NULL_VALUE);
    });
  }
  answerEnd(context);
}

const MULTI_STATEMENTS_ON = 0;
const MULTI_STATEMENTS_OFF = 1;

function setOption(context: CommandContext, option: number): void {
  if (option !== MULTI_STATEMENTS_ON && option !== MULTI_STATEMENTS_OFF) {
    throw fail('UNKNOWN_COMMAND', { command: `option ${option}` });
  }
  context.setMultiStatements(option === MULTI_STATEMENTS_ON);
  answerEnd(context);
}

/** True when a client asked at its login for several statements in one text. */
export function wantsMultiStatements(capabilities: number): boolean {
  return (capabilities & CAPABILITY.MULTI_STATEMENTS) !== 0;
}
