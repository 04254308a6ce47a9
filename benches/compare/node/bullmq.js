// BullMQ by itself. `pass N`: N jobs are added by 64 callers while a worker that does nothing takes
// 100 at a time. `work N`: the same jobs, added before the clock starts. `lone N`: from add to the
// handler, one job at a time. Prints a line of JSON.
const { Queue, Worker } = require('bullmq');
const { redis } = require('./checks');

const [what, count] = [process.argv[2], Number(process.argv[3])];
const data = { session: 's0', to: '+5511988887777', body: 'Your parcel is on its way. '.repeat(9) };

async function callers(queue, n) {
  let left = n;
  await Promise.all(Array.from({ length: 64 }, async () => {
    while (left-- > 0) await queue.add('send', data);
  }));
}

async function main() {
  const queue = new Queue(`c${process.pid}`, { connection: redis() });
  const options = { connection: redis(), concurrency: 100, autorun: false };
  let done = 0, target = 0, arrived = () => {};
  const worker = new Worker(queue.name, async () => { if (what === 'lone') arrived(process.hrtime.bigint()); }, options);
  worker.on('completed', () => { if (++done === target && what !== 'lone') arrived(); });
  const all = (n) => new Promise((resolve) => { target = done + n; arrived = resolve; });
  await worker.waitUntilReady();
  if (what === 'lone') {
    worker.run();
    const micros = [];
    for (let n = 0; n < count + 500; n++) {
      const came = new Promise((resolve) => { arrived = resolve; });
      const began = process.hrtime.bigint();
      await queue.add('send', data);
      micros.push(Number(await came - began) / 1000);
      // The worker must have nothing to do when the next one comes.
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    const sorted = micros.slice(500).sort((a, b) => a - b);
    const at = (q) => sorted[Math.floor(sorted.length * q)];
    console.log(JSON.stringify({ p50_us: at(0.5), p99_us: at(0.99) }));
  } else {
    const warm = all(2000);
    await callers(queue, 2000);
    worker.run();
    await warm;
    if (what === 'work') await worker.pause(), await callers(queue, count);
    const ended = all(count);
    const began = process.hrtime.bigint();
    if (what === 'work') worker.resume();
    else await callers(queue, count);
    await ended;
    const seconds = Number(process.hrtime.bigint() - began) / 1e9;
    const completed = await queue.getCompletedCount();
    if (completed !== count + 2000) throw new Error(`only ${completed} completed`);
    console.log(JSON.stringify({ rate: count / seconds }));
  }
  await worker.close();
  await queue.obliterate({ force: true });
  process.exit(0);
}

main();
