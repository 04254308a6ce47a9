// Queues on PostgreSQL: how many jobs a second a worker that does nothing takes, of N that were
// added before. `pg-boss N`: fetched and completed, 100 at a time. `graphile N`: as it is out of the
// box, 50 at a time. `graphile-batched N`: with the local queue and batched completion of its own
// performance test. Prints a line of JSON.
const [peer, count] = [process.argv[2], Number(process.argv[3])];
const connectionString = process.env.DATABASE_URL;
const data = { session: 's0', to: '+5511988887777', body: 'Your parcel is on its way. '.repeat(9) };
const now = () => Number(process.hrtime.bigint()) / 1e9;

async function pgBoss() {
  const { PgBoss } = require('pg-boss');
  const boss = new PgBoss({ connectionString, supervise: false, schedule: false });
  await boss.start();
  await boss.createQueue('peer');
  for (let n = 0; n < count; n += 1000) {
    await boss.insert('peer', Array.from({ length: Math.min(1000, count - n) }, () => ({ data })));
  }
  const began = now();
  for (let done = 0; done < count;) {
    const jobs = await boss.fetch('peer', { batchSize: 100 });
    await boss.complete('peer', jobs.map((job) => job.id));
    done += jobs.length;
  }
  return now() - began;
}

async function graphile(settings) {
  const { Logger, makeWorkerUtils, run } = require('graphile-worker');
  const options = { connectionString, logger: new Logger(() => () => {}) };
  const utils = await makeWorkerUtils(options);
  await utils.migrate();
  for (let n = 0; n < count; n += 1000) {
    const some = Array.from({ length: Math.min(1000, count - n) }, () => ({ identifier: 'send', payload: data }));
    await utils.addJobs(some);
  }
  let done = 0, ended;
  const all = new Promise((resolve) => { ended = resolve; });
  const began = now();
  const runner = await run({
    ...options,
    ...settings,
    noHandleSignals: true,
    taskList: { send: () => { if (++done === count) ended(); } },
  });
  await all;
  // Until the last are completed in the database, too.
  await runner.stop();
  const took = now() - began;
  await utils.release();
  return took;
}

const batched = {
  maxPoolSize: 25,
  preset: {
    worker: { concurrentJobs: 24, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
  },
};
const peers = {
  'pg-boss': pgBoss,
  graphile: () => graphile({ concurrency: 50, maxPoolSize: 50 }),
  'graphile-batched': () => graphile(batched),
};
peers[peer]().then((took) => {
  console.log(JSON.stringify({ rate: count / took }));
  process.exit(0);
});
