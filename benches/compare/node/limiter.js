// rate-limiter-flexible on Redis, N checks of 1000 keys, 64 in flight. Prints a line of JSON.
const Redis = require('ioredis').default;
const { RateLimiterRedis } = require('rate-limiter-flexible');

const count = Number(process.argv[2]);
const limiter = new RateLimiterRedis({ storeClient: new Redis(process.env.REDIS_URL), points: 1e6, duration: 60 });

async function checks(n) {
  let left = n;
  await Promise.all(Array.from({ length: 64 }, async () => {
    while (left-- > 0) await limiter.consume(`key-${left % 1000}`);
  }));
}

async function main() {
  await checks(count / 4);
  const began = process.hrtime.bigint();
  await checks(count);
  console.log(JSON.stringify({ rate: count / (Number(process.hrtime.bigint() - began) / 1e9) }));
  process.exit(0);
}

main();
