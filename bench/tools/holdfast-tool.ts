// Holdfast as a user has it: the built server, a tenant that was adopted and is archived, statements over the wire.
import { PARAMETERS } from '../../src/model/parameter.ts';
import { VERSION } from '../../src/version.ts';
import type { BenchServer } from '../server.ts';
import type { BackedUp, BackupTool } from './tool.ts';

const DEFAULT_LEVEL = Number(PARAMETERS.backup_compression_level.default);

/** Tells the tenants apart that tools restore. */
let restores = 0;

export interface HoldfastWays {
  isEncrypted: boolean;
  /** `backup_compression_level`; the default when absent. */
  level?: number;
  /** How the engine looks at a restored database, `check=…`; the default when absent. */
  check?: string;
}

function nameOf({ isEncrypted, level, check }: HoldfastWays): string {
  const ways = [isEncrypted ? 'encrypted' : 'not encrypted'];
  if (level === 0) ways.push('not compressed');
  else if (level !== undefined) ways.push(`level ${level}`);
  if (check !== undefined) ways.push(`check=${check}`);
  return `Holdfast ${VERSION}, ${ways.join(', ')}`;
}

export class HoldfastTool implements BackupTool {
  readonly name: string;
  readonly fidelity = 'bytes';
  readonly #server: BenchServer;
  readonly #ways: HoldfastWays;
  #scn = '';
  #restored = '';

  constructor(server: BenchServer, ways: HoldfastWays) {
    this.name = nameOf(ways);
    this.#server = server;
    this.#ways = ways;
  }

  backUp(): Promise<BackedUp> {
    return this.#backUp(false);
  }

  async backUpAgain(): Promise<BackedUp> {
    return await this.#backUp(true);
  }

  async #backUp(isIncremental: boolean): Promise<BackedUp> {
    const { isEncrypted, level = DEFAULT_LEVEL } = this.#ways;
    await this.#server.setCompressionLevel(level);
    const { seconds, scn, outputBytes } = await this.#server.backUp({ isEncrypted, isIncremental });
    this.#scn = scn;
    return { seconds, storedBytes: outputBytes };
  }

  async restore(to: string): Promise<number> {
    const { isEncrypted, check } = this.#ways;
    this.#restored = `restored_${++restores}`;
    return await this.#server.restore({ name: this.#restored, scn: this.#scn, location: to, isEncrypted, check });
  }

  async discard(to: string): Promise<void> {
    await this.#server.dropRestored(this.#restored, to);
  }
}
