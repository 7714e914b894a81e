// What ordinary clients ask about accounts: tables of information_schema, and mysql.user. Nothing in them could be used
// to log in.
import { isAllowed } from '../model/privilege.ts';
import { type AccountFacts, type InfoFacts, type InfoTable, infoTable } from './information-schema-table.ts';
import { varchar } from './view.ts';

const CATALOG = 'def';

const granteeOf = (user: string) => `'${user.replaceAll("'", "''")}'@'%'`;

/** MySQL's USAGE stands for an account that has nothing; the administrator's own privilege has no other name there. */
function globalPrivileges({ isAdministrator, grants }: AccountFacts): string[] {
  if (isAdministrator) return ['SUPER'];
  const own = grants.filter(({ level }) => level === 'GLOBAL').map(({ privilege }) => privilege);
  return own.length > 0 ? own : ['USAGE'];
}

const USER_PRIVILEGES = infoTable({
  name: 'USER_PRIVILEGES',
  columns: {
    GRANTEE: varchar(81, ''),
    TABLE_CATALOG: varchar(512, ''),
    PRIVILEGE_TYPE: varchar(64, ''),
    IS_GRANTABLE: varchar(3, ''),
  },
  rows: ({ accounts }: InfoFacts) =>
    accounts.flatMap((account) =>
      globalPrivileges(account).map((privilege) => ({
        GRANTEE: granteeOf(account.user),
        TABLE_CATALOG: CATALOG,
        PRIVILEGE_TYPE: privilege,
        IS_GRANTABLE: account.isAdministrator ? 'YES' : 'NO',
      })),
    ),
});

const SCHEMA_PRIVILEGES = infoTable({
  name: 'SCHEMA_PRIVILEGES',
  columns: {
    GRANTEE: varchar(81, ''),
    TABLE_CATALOG: varchar(512, ''),
    TABLE_SCHEMA: varchar(64, ''),
    PRIVILEGE_TYPE: varchar(64, ''),
    IS_GRANTABLE: varchar(3, ''),
  },
  rows: ({ accounts, databaseOfLevel }: InfoFacts) =>
    accounts.flatMap(({ user, grants }) =>
      grants.flatMap(({ privilege, level }) =>
        level === 'GLOBAL'
          ? []
          : [
              {
                GRANTEE: granteeOf(user),
                TABLE_CATALOG: CATALOG,
                TABLE_SCHEMA: databaseOfLevel(level),
                PRIVILEGE_TYPE: privilege,
                IS_GRANTABLE: 'NO',
              },
            ],
      ),
    ),
});

export const ACCOUNT_TABLES: readonly InfoTable[] = [USER_PRIVILEGES, SCHEMA_PRIVILEGES];

const yesOrNo = (isYes: boolean) => (isYes ? 'Y' : 'N');

/** Its columns are those that clients ask for. */
export const MYSQL_SCHEMA: readonly InfoTable[] = [
  infoTable({
    name: 'user',
    columns: {
      Host: varchar(60, ''),
      User: varchar(32, ''),
      Select_priv: varchar(1, ''),
      Grant_priv: varchar(1, ''),
      Super_priv: varchar(1, ''),
      Create_user_priv: varchar(1, ''),
      plugin: varchar(64, ''),
      account_locked: varchar(1, ''),
    },
    rows: ({ accounts }) =>
      accounts.map(({ user, isLocked, ...rights }) => ({
        Host: '%',
        User: user,
        Select_priv: yesOrNo(isAllowed(rights, 'READ ACCOUNTS')),
        Grant_priv: yesOrNo(rights.isAdministrator),
        Super_priv: yesOrNo(isAllowed(rights, 'ALTER SYSTEM')),
        Create_user_priv: yesOrNo(rights.isAdministrator),
        plugin: 'mysql_native_password',
        account_locked: yesOrNo(isLocked),
      })),
  }),
];
