// Holdfast as a user has it: the built server, a tenant that was adopted and is archived, statements over the wire.
import { VERSION } from '../../src/version.ts';
import type { BenchServer } from '../server.ts';
import type { BackedUp, BackupTool } from './tool.ts';

export class HoldfastTool implements BackupTool {
  readonly name: string;
  readonly fidelity = 'bytes';
  readonly #server: BenchServer;
  readonly #isEncrypted: boolean;
  #scn = '';
  #restoreNo = 0;

  constructor(server: BenchServer, { isEncrypted }: { isEncrypted: boolean }) {
    this.name = `Holdfast ${VERSION}, ${isEncrypted ? 'encrypted' : 'not encrypted'}`;
    this.#server = server;
    this.#isEncrypted = isEncrypted;
  }

  backUp(): Promise<BackedUp> {
    return this.#backUp(false);
  }

  async backUpAgain(): Promise<BackedUp> {
    return await this.#backUp(true);
  }

  async #backUp(isIncremental: boolean): Promise<BackedUp> {
    const { seconds, scn, outputBytes } = await this.#server.backUp({ isEncrypted: this.#isEncrypted, isIncremental });
    this.#scn = scn;
    return { seconds, storedBytes: outputBytes };
  }

  async restore(to: string): Promise<number> {
    this.#restoreNo++;
    return await this.#server.restore({
      ...{ name: this.#restored, scn: this.#scn, location: to, isEncrypted: this.#isEncrypted },
    });
  }

  async discard(to: string): Promise<void> {
    await this.#server.dropRestored(this.#restored, to);
  }

  get #restored(): string {
    return `restored_${this.#isEncrypted ? 'encrypted' : 'plain'}_${this.#restoreNo}`;
  }
}
