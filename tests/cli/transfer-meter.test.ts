import { TransferMeter } from '@karst/cli/transfer/transfer-meter.ts';
import { expect, it } from 'vitest';

const MB = 1024 * 1024;

/** A meter on a clock of its own, and what it has written. */
function start(isTTY = false) {
  let nowMs = 1_000_000;
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text), isTTY, columns: 120 };
  const meter = new TransferMeter(stream, { nowMs: () => nowMs, monotonicMs: () => nowMs });
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { meter, written, pass, last: () => written.at(-1) };
}

it('tells bytes, rate and the time that is left, a plain line every two seconds', () => {
  const { meter, written, pass } = start();
  meter.begin('Uploading', { files: 3, bytes: 100 * MB });
  for (let i = 0; i < 10; i++) {
    pass(500);
    meter.addBytes(5 * MB);
  }
  expect(written).toEqual([
    'Uploading 0/3 files, 5.0 MB of 100 MB, 10.0 MB/s, 9.5 s left\n',
    'Uploading 0/3 files, 25.0 MB of 100 MB, 10.0 MB/s, 7.5 s left\n',
    'Uploading 0/3 files, 45.0 MB of 100 MB, 10.0 MB/s, 5.5 s left\n',
  ]);
});

it('does not take the rate of small files for that of the large ones behind them', () => {
  const { meter, pass, last } = start();
  meter.begin('Uploading', { files: 1001, bytes: 1001 * MB });
  pass(10_000);
  for (let i = 0; i < 800; i++) meter.addFile();
  meter.addBytes(MB);
  // 800 files count as 100 MB more: 8.4 MB/s, and 1,025 MB of work are left.
  pass(2000);
  meter.addBytes(0);
  expect(last()).toBe('Uploading 800/1001 files, 1.0 MB of 1001 MB, 85.3 KB/s, 2 min 2 s left\n');
});

it('redraws one line on a terminal', () => {
  const { meter, written, pass } = start(true);
  meter.begin('Reading', { files: 1, bytes: 10 * MB });
  pass(1000);
  meter.addBytes(MB);
  pass(100);
  meter.addBytes(MB);
  expect(written).toHaveLength(2);
  for (const line of written) {
    expect(line.startsWith('\r\u001b[KReading 0/1 files, ')).toBe(true);
    expect(line).not.toContain('\n');
  }
});

it('tells the rate of late, not of the whole', () => {
  const { meter, pass, last } = start();
  meter.begin('Uploading', { files: 1, bytes: 1000 * MB });
  for (let i = 0; i < 20; i++) {
    pass(1000);
    meter.addBytes(20 * MB);
  }
  for (let i = 0; i < 20; i++) {
    pass(1000);
    meter.addBytes(MB);
  }
  expect(last()).toContain(' 1.0 MB/s, 9 min 41 s left');
});

it('neither counts what was there already as sent, nor what has to go again', () => {
  const { meter, pass, last } = start();
  meter.begin('Uploading', { files: 1, bytes: 100 * MB });
  meter.skipBytes(60 * MB);
  pass(2000);
  meter.addBytes(20 * MB);
  expect(last()).toBe('Uploading 0/1 files, 20.0 MB of 40.0 MB, 10.0 MB/s, 2.0 s left\n');
  pass(2000);
  meter.addBytes(-20 * MB);
  expect(last()).toBe('Uploading 0/1 files, 0 bytes of 40.0 MB, 0 bytes/s\n');
});

it('says nothing of what is over at once', () => {
  const { meter, written, pass } = start();
  meter.begin('Uploading', { files: 1, bytes: MB });
  pass(400);
  meter.addBytes(MB);
  meter.addFile();
  expect(written).toEqual([]);
});
