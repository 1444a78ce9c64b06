/**
 * Who has used how much: weighted fair shares with decaying usage.
 *
 * Each account's usage halves every half-life. Rather than to decay every account all the time, a
 * charge made at time t is scaled up by 2^(t / half-life): the order is the same at every moment, and
 * an account nobody touches costs nothing. What is compared is usage / weight, the account's *pass*
 * (start-time fair queueing: Goyal, Vin, Cheng, 1996).
 */
export interface Account {
  readonly name: string;
  weight: number;
  /** Leases it is owed before any account without a claim gets one. */
  guaranteed: number;
  /** Leases it holds now. */
  running: number;
  /** Scaled usage / weight. */
  pass: number;
}

export interface ShareSettings {
  weight: number;
  guaranteed: number;
}

const defaults: ShareSettings = { weight: 1, guaranteed: 0 };
/** Past this many half-lives every pass is scaled back, long before doubles overflow at 2^1024. */
const HALF_LIVES_MAX = 256;

export class Shares {
  private readonly accounts = new Map<string, Account>();
  private readonly halfLifeMs: number;
  private originMs: number;

  /** `originMs`: the time at which a charge counts as it is. */
  constructor(halfLifeMs: number, originMs: number) {
    this.halfLifeMs = halfLifeMs;
    this.originMs = originMs;
  }

  account(name: string): Account {
    const known = this.accounts.get(name);
    if (known !== undefined) return known;
    const made: Account = { name, running: 0, pass: 0, ...defaults };
    this.accounts.set(name, made);
    return made;
  }

  all(): Iterable<Account> {
    return this.accounts.values();
  }

  /** Changes what an account is owed; what it used so far stays its usage. */
  set(name: string, settings: Partial<ShareSettings>): Account {
    const account = this.account(name);
    const { weight, guaranteed } = { ...defaults, ...settings };
    account.pass *= account.weight / weight;
    account.weight = weight;
    account.guaranteed = guaranteed;
    return account;
  }

  /**
   * Charges (or with a negative cost gives back) resource-seconds used at `nowMs`.
   * Answers the change of the pass.
   */
  charge(account: Account, cost: number, nowMs: number): number {
    const scale = this.scaleAt(nowMs);
    const before = account.pass;
    account.pass = Math.max(0, before + (cost * scale) / account.weight);
    return account.pass - before;
  }

  /**
   * An account has work again after it had none: it starts no further behind than the accounts that
   * have been working, so that an idle one hoards nothing and a new one owes nothing.
   */
  activate(account: Account, virtualTime: number | undefined): void {
    if (virtualTime !== undefined && account.pass < virtualTime) account.pass = virtualTime;
  }

  /** Usage as it counts at `nowMs`, resource-seconds, decayed. */
  usageAt(account: Account, nowMs: number): number {
    const scale = this.scaleAt(nowMs);
    return (account.pass * account.weight) / scale;
  }

  /** Sets an account to usage (resource-seconds as of `nowMs`) known from elsewhere. */
  setUsage(account: Account, usage: number, nowMs: number): void {
    const scale = this.scaleAt(nowMs);
    account.pass = (usage * scale) / account.weight;
  }

  /**
   * How much a charge at `nowMs` weighs. Rebases every pass when the scale has grown large: order and
   * ratios stay, so heaps over accounts stay heaps.
   */
  private scaleAt(nowMs: number): number {
    const halfLives = (nowMs - this.originMs) / this.halfLifeMs;
    if (halfLives <= HALF_LIVES_MAX) return 2 ** halfLives;
    for (const account of this.accounts.values()) account.pass *= 2 ** -halfLives;
    this.originMs = nowMs;
    return 1;
  }
}
