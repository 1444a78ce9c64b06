import type { AssetFarm } from './asset-farm.ts';

/** A round under way that goes on only when told to, from one hold to the next. */
export class HeldRound {
  isOver = false;
  private release: () => void = () => undefined;
  private arrived: () => void = () => undefined;
  private readonly whole: Promise<void>;

  private constructor(farm: AssetFarm) {
    const round = farm.round(() => this.hold());
    this.whole = (async () => {
      while (!round.isOver) {
        await round.step();
        await this.hold();
      }
      this.isOver = true;
      this.arrived();
    })();
  }

  /** A round that stands before its first step's end. */
  static async begin(farm: AssetFarm): Promise<HeldRound> {
    const round = new HeldRound(farm);
    await round.reachHold();
    return round;
  }

  /** To the next hold, or the end. */
  async goOn(): Promise<void> {
    if (this.isOver) return;
    const reached = this.reachHold();
    this.release();
    await Promise.race([reached, this.whole]);
  }

  private async hold(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.release = resolve;
      this.arrived();
    });
  }

  private reachHold(): Promise<void> {
    return new Promise((resolve) => {
      this.arrived = resolve;
    });
  }
}
