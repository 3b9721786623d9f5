// rate-limiter-flexible: so many requests in so much time, counted by a script.
//
// Environment: PORT, USERNAME, PASSWORD.

import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';

const client = new Redis({
    port: Number(process.env.PORT),
    username: process.env.USERNAME,
    password: process.env.PASSWORD,
});
const limiter = new RateLimiterRedis({
    storeClient: client,
    keyPrefix: `${process.env.USERNAME}:rate`,
    points: 5,
    duration: 3600,
});
for (let left = 4; left >= 0; left -= 1) {
    assert.equal((await limiter.consume('someone')).remainingPoints, left);
}
await assert.rejects(limiter.consume('someone'), (refused) => refused.msBeforeNext > 0);
assert.equal((await limiter.consume('somebody else')).remainingPoints, 4);
await limiter.reward('someone', 6);
assert.equal((await limiter.get('someone')).consumedPoints, 0);
await limiter.delete('someone');
await client.quit();
console.log('limits: done');
