import { afterEach, beforeEach, expect, test } from 'vitest';
import { MYSQL_ID } from '../catalog/catalog.fixture.ts';
import { setEncryption } from './backup-statements.ts';
import { openSqlFixture, type SqlFixture } from './select.fixture.ts';

let fixture: SqlFixture;
beforeEach(() => {
  fixture = openSqlFixture();
});
afterEach(() => fixture[Symbol.dispose]());

test('what was derived from a password goes with it', () => {
  const session = fixture.session(MYSQL_ID);
  setEncryption(fixture.deps, session, { kind: 'setEncryption', password: 'first' });
  const salt = session.encryptionKeys.freshSalt;
  expect(() => setEncryption(fixture.deps, session, { kind: 'setEncryption', password: '' })).toThrow('SET ENCRYPTION');
  expect([session.encryptionPassword, session.encryptionKeys.freshSalt]).toEqual(['first', salt]);
  setEncryption(fixture.deps, session, { kind: 'setEncryption', password: 'second' });
  expect([session.encryptionPassword, session.encryptionKeys.freshSalt === salt]).toEqual(['second', false]);
  setEncryption(fixture.deps, session, { kind: 'setEncryption', password: null });
  expect(session.encryptionPassword).toBeNull();
});
