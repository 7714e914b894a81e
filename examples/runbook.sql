-- The runbook of tenant-level backup and restore as plain SQL, against a fresh server.
--
-- Every part below is one session; its heading says whose. Run a part with any MySQL client, or with
--   holdfast sql --wait -u USER
-- which also waits for a backup or restore that a statement starts. Before you begin:
--   * put your own directories in the place of file:///backup (each purpose of each tenant its own empty directory);
--   * put the time that you note below in the place of 2026-01-31 09:15:00.000000.
-- test/e2e/examples.test.ts runs this file, part after part.

-- ## root@sys: make the tenants
-- Units and pools are kept and shown; a tenant needs none. With LOCATION = '/abs/app.db' a tenant adopts a SQLite
-- database that its application goes on using; without, Holdfast makes a new one.
CREATE RESOURCE UNIT unit1 MAX_CPU 2, MIN_CPU 1, MEMORY_SIZE '1G';
CREATE RESOURCE POOL pool1 UNIT = 'unit1', UNIT_NUM = 1, ZONE_LIST = ('zone1');
CREATE TENANT mysql_tenant RESOURCE_POOL_LIST = ('pool1');
CREATE TENANT oracle_tenant SET ob_compatibility_mode = 'oracle';
SELECT TENANT_ID, TENANT_NAME, COMPATIBILITY_MODE, STATUS, LOG_MODE FROM oceanbase.DBA_OB_TENANTS;

-- ## root@sys: name the destinations and turn archiving on
-- The archive comes before the first backup: without it a backup is refused with 9040.
ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=file:///backup/mysql_tenant/archive PIECE_SWITCH_INTERVAL=1d' TENANT = mysql_tenant;
ALTER SYSTEM SET DATA_BACKUP_DEST = 'file:///backup/mysql_tenant/data' TENANT = mysql_tenant;
SELECT * FROM oceanbase.CDB_OB_ARCHIVE_DEST;
SELECT * FROM oceanbase.CDB_OB_BACKUP_PARAMETER;
ALTER SYSTEM ARCHIVELOG TENANT = mysql_tenant;

-- ## root@sys: wait for the archive
-- Repeat until STATUS is DOING.
SELECT TENANT_ID, ROUND_ID, STATUS, CHECKPOINT_SCN_DISPLAY, COMMENT FROM oceanbase.CDB_OB_ARCHIVELOG;

-- ## root@mysql_tenant: put something in
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer VARCHAR(40), amount DECIMAL(10,2));
INSERT INTO orders VALUES (1, 'Ada', 12.50), (2, 'Chen', 7.00), (3, 'Emeka', 99.90);

-- ## root@sys: back up every tenant, encrypted
-- The password holds for this session's backups. oracle_tenant is not archiving: a warning and its FAILED row say so.
SET ENCRYPTION ON IDENTIFIED BY 'correct horse' ONLY;
ALTER SYSTEM BACKUP DATABASE;

-- ## root@sys: look at the history
-- While a backup runs, CDB_OB_BACKUP_JOBS and CDB_OB_BACKUP_TASKS show how far it is.
SELECT TENANT_ID, JOB_ID, BACKUP_SET_ID, STATUS, RESULT, COMMENT FROM oceanbase.CDB_OB_BACKUP_JOB_HISTORY;
SELECT TENANT_ID, BACKUP_SET_ID, BACKUP_TYPE, STATUS, ENCRYPTION_MODE, MIN_RESTORE_SCN_DISPLAY FROM oceanbase.CDB_OB_BACKUP_SET_FILES;

-- ## root@mysql_tenant: a tenant backs itself up
-- It sees its own rows in the DBA_ views.
SET ENCRYPTION ON IDENTIFIED BY 'correct horse' ONLY;
ALTER SYSTEM BACKUP DATABASE DESCRIPTION = 'before the release';
SELECT JOB_ID, BACKUP_SET_ID, STATUS, DESCRIPTION FROM oceanbase.DBA_OB_BACKUP_JOB_HISTORY;

-- ## root@mysql_tenant: note the time
SELECT NOW(6);

-- ## root@mysql_tenant: make a mistake
DELETE FROM orders;

-- ## root@sys: wait until the noted time is archived
-- Repeat until TO_SCN_DISPLAY is later than the noted time.
SELECT TENANT_ID, FROM_SCN_DISPLAY, TO_SCN_DISPLAY FROM oceanbase.CDB_HF_RESTORE_WINDOW;

-- ## root@sys: restore to the noted time
-- PREVIEW shows what a restore would use, and changes nothing.
SET DECRYPTION IDENTIFIED BY 'correct horse';
ALTER SYSTEM RESTORE FROM 'file:///backup/mysql_tenant/data,file:///backup/mysql_tenant/archive' PREVIEW;
ALTER SYSTEM RESTORE restored FROM 'file:///backup/mysql_tenant/data,file:///backup/mysql_tenant/archive' UNTIL TIME = '2026-01-31 09:15:00.000000' WITH 'pool_list=';
SELECT RESTORE_TENANT_NAME, STATUS, COMMENT FROM oceanbase.CDB_OB_RESTORE_HISTORY;

-- ## root@restored: look at it
-- The restored tenant is a read-only STANDBY.
SELECT COUNT(*) AS orders FROM orders;

-- ## root@sys: open it
ALTER SYSTEM ACTIVATE STANDBY TENANT = restored;
SELECT TENANT_NAME, TENANT_ROLE, STATUS FROM oceanbase.DBA_OB_TENANTS;

-- ## root@restored: use it
INSERT INTO orders VALUES (4, 'Dana', 5.25);
SELECT COUNT(*) AS orders FROM orders;

-- ## SYS@oracle_tenant: an oracle tenant does the same by itself
ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=file:///backup/oracle_tenant/archive';
ALTER SYSTEM SET DATA_BACKUP_DEST = 'file:///backup/oracle_tenant/data';
ALTER SYSTEM ARCHIVELOG;

-- ## SYS@oracle_tenant: wait for its archive
-- Repeat until STATUS is DOING.
SELECT ROUND_ID, STATUS FROM SYS.DBA_OB_ARCHIVELOG;

-- ## SYS@oracle_tenant: back it up
ALTER SYSTEM BACKUP DATABASE;
SELECT JOB_ID, STATUS FROM SYS.DBA_OB_BACKUP_JOB_HISTORY;

-- ## root@sys: end the archive
-- What is archived and backed up stays restorable.
ALTER SYSTEM NOARCHIVELOG TENANT = mysql_tenant;
SELECT TENANT_ID, ROUND_ID, STATUS FROM oceanbase.CDB_OB_ARCHIVELOG;
