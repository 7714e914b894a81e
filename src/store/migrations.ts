// The metadata store's schema: numbered, append-only. A migration that needs a stopped cluster starts with `--! breaking`.

export const MIGRATIONS: readonly string[] = [
  /* 1 */ `
  CREATE TABLE cluster (name TEXT NOT NULL, cluster_id INTEGER NOT NULL, uuid TEXT NOT NULL, time_zone TEXT NOT NULL) STRICT;
  CREATE TABLE counter (tenant_id INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (tenant_id, name)) STRICT;
  CREATE TABLE tenant (
    tenant_id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE UNIQUE, mode TEXT NOT NULL, role TEXT NOT NULL,
    status TEXT NOT NULL, engine TEXT NOT NULL, location TEXT NOT NULL, is_adopted INTEGER NOT NULL, time_zone TEXT NOT NULL,
    is_archive_mode INTEGER NOT NULL, last_scn INTEGER NOT NULL, recovery_until_scn INTEGER NOT NULL, pool_name TEXT,
    comment TEXT NOT NULL, created_ns INTEGER NOT NULL) STRICT;
  CREATE UNIQUE INDEX tenant_location ON tenant (location) WHERE location <> '';
  CREATE TABLE resource_unit (
    name TEXT PRIMARY KEY COLLATE NOCASE, unit_id INTEGER NOT NULL, max_cpu REAL NOT NULL, min_cpu REAL NOT NULL,
    memory_bytes INTEGER NOT NULL, attributes TEXT NOT NULL) STRICT;
  CREATE TABLE resource_pool (
    name TEXT PRIMARY KEY COLLATE NOCASE, pool_id INTEGER NOT NULL, unit_name TEXT NOT NULL, unit_num INTEGER NOT NULL,
    zones TEXT NOT NULL, tenant_id INTEGER) STRICT;
  CREATE TABLE account (
    tenant_id INTEGER NOT NULL, user TEXT NOT NULL COLLATE NOCASE, native_hash BLOB NOT NULL, sha2_hash BLOB NOT NULL,
    PRIMARY KEY (tenant_id, user)) STRICT;
  CREATE TABLE parameter (
    tenant_id INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (tenant_id, name)) STRICT;
  CREATE TABLE destination (
    tenant_id INTEGER NOT NULL, dest_id INTEGER NOT NULL, uri TEXT NOT NULL,
    PRIMARY KEY (tenant_id, dest_id), UNIQUE (tenant_id, uri)) STRICT;
  CREATE TABLE archive_dest (
    tenant_id INTEGER PRIMARY KEY, dest_id INTEGER NOT NULL, uri TEXT NOT NULL, binding TEXT NOT NULL,
    piece_switch_interval_us INTEGER NOT NULL, piece_switch_interval_text TEXT NOT NULL, state TEXT NOT NULL) STRICT;
  CREATE TABLE data_dest (tenant_id INTEGER PRIMARY KEY, dest_id INTEGER NOT NULL, uri TEXT NOT NULL) STRICT;
  CREATE TABLE archive_round (
    tenant_id INTEGER NOT NULL, dest_id INTEGER NOT NULL, round_id INTEGER NOT NULL, status TEXT NOT NULL,
    start_scn INTEGER NOT NULL, checkpoint_scn INTEGER NOT NULL, base_piece_id INTEGER NOT NULL, used_piece_id INTEGER NOT NULL,
    piece_switch_interval_us INTEGER NOT NULL, input_bytes INTEGER NOT NULL, output_bytes INTEGER NOT NULL,
    comment TEXT NOT NULL, uri TEXT NOT NULL, PRIMARY KEY (tenant_id, round_id)) STRICT;
  CREATE TABLE archive_piece (
    tenant_id INTEGER NOT NULL, dest_id INTEGER NOT NULL, round_id INTEGER NOT NULL, piece_id INTEGER NOT NULL,
    status TEXT NOT NULL, file_status TEXT NOT NULL, created_us INTEGER NOT NULL, start_scn INTEGER NOT NULL,
    checkpoint_scn INTEGER NOT NULL, max_scn INTEGER NOT NULL, end_scn INTEGER NOT NULL, input_bytes INTEGER NOT NULL,
    output_bytes INTEGER NOT NULL, uri TEXT NOT NULL, PRIMARY KEY (tenant_id, piece_id)) STRICT;
  CREATE TABLE backup_job (
    tenant_id INTEGER NOT NULL, job_id INTEGER NOT NULL, backup_set_id INTEGER NOT NULL, initiator_tenant_id INTEGER NOT NULL,
    initiator_job_id INTEGER NOT NULL, executor_tenant_ids TEXT NOT NULL, is_plus_archivelog INTEGER NOT NULL,
    backup_type TEXT NOT NULL, level TEXT NOT NULL, encryption_mode TEXT NOT NULL, keys TEXT, start_ns INTEGER NOT NULL,
    end_ns INTEGER, status TEXT NOT NULL, result INTEGER NOT NULL, comment TEXT NOT NULL, description TEXT NOT NULL,
    uri TEXT NOT NULL, PRIMARY KEY (tenant_id, job_id)) STRICT;
  CREATE TABLE backup_task (
    tenant_id INTEGER NOT NULL, task_id INTEGER NOT NULL, job_id INTEGER NOT NULL, backup_set_id INTEGER NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER, status TEXT NOT NULL, start_scn INTEGER NOT NULL, end_scn INTEGER NOT NULL,
    user_ls_start_scn INTEGER NOT NULL, encryption_mode TEXT NOT NULL, input_bytes INTEGER NOT NULL, output_bytes INTEGER NOT NULL,
    tablet_count INTEGER NOT NULL, finish_tablet_count INTEGER NOT NULL, block_count INTEGER NOT NULL,
    finish_block_count INTEGER NOT NULL, file_count INTEGER NOT NULL, result INTEGER NOT NULL, comment TEXT NOT NULL,
    uri TEXT NOT NULL, PRIMARY KEY (tenant_id, task_id)) STRICT;
  CREATE TABLE backup_set (
    tenant_id INTEGER NOT NULL, backup_set_id INTEGER NOT NULL, dest_id INTEGER NOT NULL, backup_type TEXT NOT NULL,
    prev_full_backup_set_id INTEGER NOT NULL, prev_inc_backup_set_id INTEGER NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER,
    status TEXT NOT NULL, file_status TEXT NOT NULL, is_plus_archivelog INTEGER NOT NULL, round_id INTEGER NOT NULL,
    consistent_scn INTEGER NOT NULL, start_replay_scn INTEGER NOT NULL, min_restore_scn INTEGER NOT NULL,
    input_bytes INTEGER NOT NULL, output_bytes INTEGER NOT NULL, tablet_count INTEGER NOT NULL,
    finish_tablet_count INTEGER NOT NULL, block_count INTEGER NOT NULL, finish_block_count INTEGER NOT NULL,
    file_count INTEGER NOT NULL, result INTEGER NOT NULL, comment TEXT NOT NULL, encryption_mode TEXT NOT NULL,
    uri TEXT NOT NULL, PRIMARY KEY (tenant_id, backup_set_id)) STRICT;
  CREATE TABLE restore_job (
    job_id INTEGER PRIMARY KEY, restore_tenant_name TEXT NOT NULL, restore_tenant_id INTEGER NOT NULL,
    backup_tenant_name TEXT NOT NULL, backup_tenant_id INTEGER NOT NULL, backup_cluster_name TEXT NOT NULL, uris TEXT NOT NULL,
    restore_option TEXT NOT NULL, restore_scn INTEGER NOT NULL, time_zone TEXT NOT NULL, status TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER, backup_set_list TEXT NOT NULL, backup_piece_list TEXT NOT NULL,
    plan_seed TEXT NOT NULL, sealed_data_keys TEXT NOT NULL, total_bytes INTEGER, finish_bytes INTEGER,
    tablet_count INTEGER NOT NULL, description TEXT NOT NULL, comment TEXT NOT NULL) STRICT;
  `,
  /* 2 */ `ALTER TABLE backup_job ADD COLUMN parent TEXT`,
  /* 3 */ `
  CREATE TABLE recorded_source (
    tenant_id INTEGER PRIMARY KEY, source_cluster_uuid TEXT NOT NULL, source_cluster_name TEXT NOT NULL,
    source_tenant_id INTEGER NOT NULL, source_tenant_name TEXT NOT NULL, time_zone TEXT NOT NULL) STRICT;
  `,
  /* 4 */ `
  CREATE TABLE archive_rest (
    tenant_id INTEGER PRIMARY KEY, round_id INTEGER NOT NULL, checkpoint_scn INTEGER NOT NULL, max_scn INTEGER NOT NULL,
    input_bytes INTEGER NOT NULL, output_bytes INTEGER NOT NULL, files TEXT NOT NULL) STRICT;
  `,
  /* 5 */ `
  ALTER TABLE archive_round ADD COLUMN base_round_id INTEGER;
  ALTER TABLE archive_round ADD COLUMN base_scn INTEGER;
  ALTER TABLE archive_round ADD COLUMN repaired_scn INTEGER;
  `,
  /* 6 */ `
  ALTER TABLE destination ADD COLUMN options TEXT NOT NULL DEFAULT '{}';
  CREATE INDEX destination_by_uri ON destination (uri);
  `,
  /* 7 */ `
  CREATE TABLE finished_pack (
    tenant_id INTEGER NOT NULL, backup_set_id INTEGER NOT NULL, pack_no INTEGER NOT NULL, set_uuid TEXT NOT NULL,
    name TEXT NOT NULL, size_bytes INTEGER NOT NULL, sha256 BLOB NOT NULL, blocks TEXT NOT NULL,
    PRIMARY KEY (tenant_id, backup_set_id, pack_no)) STRICT;
  `,
  /* 8 */ `
  DELETE FROM finished_pack;
  ALTER TABLE finished_pack RENAME COLUMN sha256 TO checksum;
  `,
  /* 9 */ `
  CREATE TABLE delete_policy (
    tenant_id INTEGER PRIMARY KEY, policy_name TEXT NOT NULL, recovery_window TEXT, redundancy INTEGER) STRICT;
  CREATE TABLE delete_job (
    tenant_id INTEGER NOT NULL, job_id INTEGER NOT NULL, initiator_tenant_id INTEGER NOT NULL,
    initiator_job_id INTEGER NOT NULL, executor_tenant_ids TEXT NOT NULL, type TEXT NOT NULL, expiry_ns INTEGER,
    ids TEXT NOT NULL, level TEXT NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER, status TEXT NOT NULL,
    task_count INTEGER NOT NULL, success_task_count INTEGER NOT NULL, result INTEGER NOT NULL, comment TEXT NOT NULL,
    description TEXT NOT NULL, PRIMARY KEY (tenant_id, job_id)) STRICT;
  CREATE TABLE delete_task (
    tenant_id INTEGER NOT NULL, task_id INTEGER NOT NULL, job_id INTEGER NOT NULL, task_type TEXT NOT NULL,
    object_id INTEGER NOT NULL, round_id INTEGER NOT NULL, dest_id INTEGER NOT NULL, file_status_before TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER, status TEXT NOT NULL, total_bytes INTEGER NOT NULL,
    deleted_bytes INTEGER NOT NULL, total_files INTEGER NOT NULL, deleted_files INTEGER NOT NULL, result INTEGER NOT NULL,
    comment TEXT NOT NULL, uri TEXT NOT NULL, PRIMARY KEY (tenant_id, task_id)) STRICT;
  `,
  /* 10 */ `
  CREATE TABLE backup_schedule (
    tenant_id INTEGER NOT NULL, name TEXT NOT NULL COLLATE NOCASE, type TEXT NOT NULL, cron TEXT NOT NULL, targets TEXT,
    sealed_password BLOB, level TEXT, budget_bytes INTEGER, is_paused INTEGER NOT NULL, description TEXT NOT NULL,
    created_ns INTEGER NOT NULL, next_ns INTEGER NOT NULL, run_status TEXT, run_due_ns INTEGER, run_start_ns INTEGER,
    run_end_ns INTEGER, run_jobs TEXT NOT NULL, run_result INTEGER NOT NULL, run_comment TEXT NOT NULL,
    run_count INTEGER NOT NULL, failed_count INTEGER NOT NULL, skipped_count INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, name)) STRICT;
  `,
  /* 11 */ `
  ALTER TABLE account ADD COLUMN is_locked INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE account ADD COLUMN grants TEXT NOT NULL DEFAULT '[]';
  CREATE TABLE audit_event (
    event_id INTEGER PRIMARY KEY, tenant_id INTEGER NOT NULL, kind TEXT NOT NULL, user TEXT NOT NULL, host TEXT NOT NULL,
    connection_id INTEGER, statement TEXT, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, count INTEGER NOT NULL,
    errno INTEGER, elapsed_us INTEGER) STRICT;
  CREATE INDEX audit_event_of_tenant ON audit_event (tenant_id, event_id);
  CREATE INDEX audit_event_by_time ON audit_event (last_ns);
  `,
  /* 12 */ `
  CREATE TABLE validate_job (
    tenant_id INTEGER NOT NULL, job_id INTEGER NOT NULL, initiator_tenant_id INTEGER NOT NULL,
    initiator_job_id INTEGER NOT NULL, executor_tenant_ids TEXT NOT NULL, type TEXT NOT NULL, uri TEXT NOT NULL,
    path_type TEXT NOT NULL, ids TEXT NOT NULL, level TEXT NOT NULL, check_level TEXT NOT NULL, start_ns INTEGER NOT NULL,
    end_ns INTEGER, status TEXT NOT NULL, task_count INTEGER NOT NULL, success_task_count INTEGER NOT NULL,
    result INTEGER NOT NULL, comment TEXT NOT NULL, description TEXT NOT NULL, sealed_data_keys TEXT NOT NULL,
    PRIMARY KEY (tenant_id, job_id)) STRICT;
  CREATE TABLE validate_task (
    tenant_id INTEGER NOT NULL, task_id INTEGER NOT NULL, job_id INTEGER NOT NULL, task_type TEXT NOT NULL,
    object_id INTEGER NOT NULL, directory TEXT NOT NULL, uri TEXT NOT NULL, path_type TEXT NOT NULL,
    archive_uri TEXT NOT NULL, dest_id INTEGER NOT NULL, round_id INTEGER NOT NULL, level TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER, status TEXT NOT NULL, total_bytes INTEGER NOT NULL,
    validated_bytes INTEGER NOT NULL, result INTEGER NOT NULL, comment TEXT NOT NULL,
    PRIMARY KEY (tenant_id, task_id)) STRICT;
  CREATE INDEX validate_job_by_status ON validate_job (status);
  CREATE INDEX validate_task_by_job ON validate_task (tenant_id, job_id);
  CREATE TABLE verification (
    tenant_id INTEGER NOT NULL, object_type TEXT NOT NULL, object_id INTEGER NOT NULL, level TEXT NOT NULL,
    job_id INTEGER NOT NULL, last_ns INTEGER NOT NULL, result INTEGER NOT NULL, comment TEXT NOT NULL,
    is_proved INTEGER NOT NULL, proved_ns INTEGER, proved_scn INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, object_type, object_id, level)) STRICT;
  `,
  /* 13 */ `
  CREATE TABLE event (
    event_id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, module TEXT NOT NULL, event TEXT NOT NULL,
    facts TEXT NOT NULL, extra_info TEXT NOT NULL) STRICT;
  CREATE INDEX event_by_time ON event (time_ns);
  `,
  /* 14 */ `
  ALTER TABLE destination ADD COLUMN dest_type TEXT NOT NULL DEFAULT '';
  ALTER TABLE destination ADD COLUMN check_file_name TEXT NOT NULL DEFAULT '';
  ALTER TABLE destination ADD COLUMN last_check_ns INTEGER;
  UPDATE destination SET dest_type = 'archive_log' WHERE (tenant_id, uri) IN
    (SELECT tenant_id, uri FROM archive_dest UNION SELECT tenant_id, uri FROM archive_round);
  UPDATE destination SET dest_type = 'backup_data' WHERE dest_type = '' AND (tenant_id, uri) IN
    (SELECT tenant_id, uri FROM data_dest UNION SELECT tenant_id, uri FROM backup_set);
  CREATE TABLE destination_history (
    history_id INTEGER PRIMARY KEY, tenant_id INTEGER NOT NULL, dest_id INTEGER NOT NULL, uri TEXT NOT NULL,
    dest_type TEXT NOT NULL, options TEXT NOT NULL, check_file_name TEXT NOT NULL, last_check_ns INTEGER) STRICT;
  CREATE INDEX destination_history_by_dest ON destination_history (tenant_id, dest_id);
  `,
  /* 15 */ `
  CREATE TABLE tenant_key (
    tenant_id INTEGER NOT NULL, version INTEGER NOT NULL, key_id TEXT NOT NULL, sealed_key BLOB NOT NULL,
    created_ns INTEGER NOT NULL, exported_ns INTEGER, PRIMARY KEY (tenant_id, version)) STRICT;
  CREATE INDEX tenant_key_by_id ON tenant_key (key_id);
  `,
  /* 16 */ `
  CREATE TABLE standby (
    tenant_id INTEGER PRIMARY KEY, cluster_uuid TEXT NOT NULL, source_tenant_id INTEGER NOT NULL, source_uri TEXT NOT NULL,
    scn INTEGER NOT NULL, commit_scn INTEGER NOT NULL, round_id INTEGER NOT NULL, checksum TEXT NOT NULL,
    next_scn INTEGER, next_commit_scn INTEGER, next_round_id INTEGER, next_checksum TEXT, is_replayed INTEGER NOT NULL) STRICT;
  `,
  /* 17 */ `
  CREATE TABLE recover_job (
    job_id INTEGER PRIMARY KEY, target_tenant_id INTEGER NOT NULL, target_tenant_name TEXT NOT NULL,
    target_job_id INTEGER NOT NULL, aux_tenant_id INTEGER NOT NULL, aux_tenant_name TEXT NOT NULL,
    restore_job_id INTEGER NOT NULL, status TEXT NOT NULL, choice TEXT NOT NULL, renames TEXT NOT NULL,
    restore_scn INTEGER NOT NULL, time_zone TEXT NOT NULL, restore_option TEXT NOT NULL, uris TEXT NOT NULL,
    backup_set_list TEXT NOT NULL, backup_piece_list TEXT NOT NULL, has_password INTEGER NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER, result INTEGER NOT NULL, comment TEXT NOT NULL,
    description TEXT NOT NULL) STRICT;
  CREATE TABLE import_job (
    tenant_id INTEGER NOT NULL, job_id INTEGER NOT NULL, recover_job_id INTEGER NOT NULL, status TEXT NOT NULL,
    table_count INTEGER NOT NULL, finished_table_count INTEGER NOT NULL, failed_table_count INTEGER NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER, result INTEGER NOT NULL, comment TEXT NOT NULL,
    PRIMARY KEY (tenant_id, job_id)) STRICT;
  CREATE TABLE import_task (
    tenant_id INTEGER NOT NULL, task_id INTEGER NOT NULL, job_id INTEGER NOT NULL, source_table TEXT NOT NULL,
    target_table TEXT NOT NULL, create_sql TEXT NOT NULL, column_count INTEGER NOT NULL, index_count INTEGER NOT NULL,
    constraint_count INTEGER NOT NULL, ref_constraint_count INTEGER NOT NULL, status TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER, result INTEGER NOT NULL, comment TEXT NOT NULL,
    PRIMARY KEY (tenant_id, task_id)) STRICT;
  CREATE INDEX import_task_by_job ON import_task (tenant_id, job_id);
  `,
  /* 18 */ `
  CREATE TABLE destination_access (
    tenant_id INTEGER NOT NULL, uri TEXT NOT NULL, is_approved INTEGER NOT NULL, sealed_access BLOB,
    PRIMARY KEY (tenant_id, uri)) STRICT;
  CREATE INDEX destination_access_by_uri ON destination_access (uri);
  `,
  /* 19 */ `
  CREATE TABLE segment_number (
    tenant_id INTEGER NOT NULL, dest_id INTEGER NOT NULL, piece_id INTEGER NOT NULL, spent_to INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, dest_id, piece_id)) STRICT;
  `,
  /* 20 */ `
  ALTER TABLE backup_task ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE backup_set ADD COLUMN locked_until_ns INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE archive_piece ADD COLUMN locked_until_ns INTEGER NOT NULL DEFAULT 0;
  `,
  /* 21 */ `
  CREATE TABLE data_dest_copy (
    tenant_id INTEGER NOT NULL, dest_no INTEGER NOT NULL, dest_id INTEGER NOT NULL, uri TEXT NOT NULL,
    binding TEXT NOT NULL, PRIMARY KEY (tenant_id, dest_no)) STRICT;
  CREATE TABLE backup_set_copy (
    tenant_id INTEGER NOT NULL, backup_set_id INTEGER NOT NULL, dest_id INTEGER NOT NULL, uri TEXT NOT NULL,
    status TEXT NOT NULL, total_bytes INTEGER NOT NULL, copied_bytes INTEGER NOT NULL, start_ns INTEGER, end_ns INTEGER,
    result INTEGER NOT NULL, comment TEXT NOT NULL, PRIMARY KEY (tenant_id, backup_set_id, dest_id)) STRICT;
  CREATE INDEX backup_set_copy_by_status ON backup_set_copy (status);
  ALTER TABLE verification RENAME TO verification_before;
  CREATE TABLE verification (
    tenant_id INTEGER NOT NULL, object_type TEXT NOT NULL, object_id INTEGER NOT NULL, level TEXT NOT NULL,
    uri TEXT NOT NULL, job_id INTEGER NOT NULL, last_ns INTEGER NOT NULL, result INTEGER NOT NULL, comment TEXT NOT NULL,
    is_proved INTEGER NOT NULL, proved_ns INTEGER, proved_scn INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, object_type, object_id, level, uri)) STRICT;
  INSERT INTO verification SELECT tenant_id, object_type, object_id, level, '', job_id, last_ns, result, comment,
    is_proved, proved_ns, proved_scn FROM verification_before;
  DROP TABLE verification_before;
  `,
  /* 22 */ `
  CREATE TABLE lease (
    tenant_id INTEGER NOT NULL, uri TEXT NOT NULL, dest_type TEXT NOT NULL, status TEXT NOT NULL,
    generation INTEGER NOT NULL, host_name TEXT NOT NULL, data_dir TEXT NOT NULL, acquired_ns INTEGER,
    foreign_round_id INTEGER NOT NULL, comment TEXT NOT NULL, PRIMARY KEY (tenant_id, uri)) STRICT;
  `,
  /* 23 */ `
  CREATE TABLE archive_copy_dest (
    tenant_id INTEGER NOT NULL, dest_no INTEGER NOT NULL, dest_id INTEGER NOT NULL, uri TEXT NOT NULL,
    binding TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (tenant_id, dest_no)) STRICT;
  CREATE TABLE archive_round_copy (
    tenant_id INTEGER NOT NULL, dest_id INTEGER NOT NULL, round_id INTEGER NOT NULL, dest_no INTEGER NOT NULL,
    status TEXT NOT NULL, start_scn INTEGER NOT NULL, checkpoint_scn INTEGER NOT NULL, base_piece_id INTEGER NOT NULL,
    used_piece_id INTEGER NOT NULL, piece_switch_interval_us INTEGER NOT NULL, input_bytes INTEGER NOT NULL,
    output_bytes INTEGER NOT NULL, comment TEXT NOT NULL, uri TEXT NOT NULL, base_round_id INTEGER, base_scn INTEGER,
    repaired_scn INTEGER, batch_no INTEGER NOT NULL, batch_hash BLOB, is_complete INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, round_id, dest_id)) STRICT;
  CREATE TABLE archive_piece_copy (
    tenant_id INTEGER NOT NULL, dest_id INTEGER NOT NULL, round_id INTEGER NOT NULL, piece_id INTEGER NOT NULL,
    status TEXT NOT NULL, file_status TEXT NOT NULL, created_us INTEGER NOT NULL, start_scn INTEGER NOT NULL,
    checkpoint_scn INTEGER NOT NULL, max_scn INTEGER NOT NULL, end_scn INTEGER NOT NULL, input_bytes INTEGER NOT NULL,
    output_bytes INTEGER NOT NULL, uri TEXT NOT NULL, locked_until_ns INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, piece_id, dest_id)) STRICT;
  `,
];
