// Redlock, a lock: whoever has it keeps others out, extends it and gives it back; by scripts.
//
// Environment: PORT, USERNAME, PASSWORD.

import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import redlock from 'redlock';

const Redlock = redlock.default ?? redlock;
const client = new Redis({
    port: Number(process.env.PORT),
    username: process.env.USERNAME,
    password: process.env.PASSWORD,
});
const locks = new Redlock([client], { retryCount: 0 });
const patient = new Redlock([client], { retryCount: 200, retryDelay: 5, retryJitter: 5 });
const name = `${process.env.USERNAME}:door`;

const lock = await locks.acquire([name], 60000);
await assert.rejects(locks.acquire([name], 1000));
const extended = await lock.extend(60000);
assert.ok((await client.pttl(name)) > 1000);
await extended.release();
assert.equal(await client.exists(name), 0);

// Nobody is inside together with another one.
let inside = 0;
let entered = 0;
await Promise.all(
    Array.from({ length: 20 }, async () => {
        const own = await patient.acquire([name], 60000);
        inside += 1;
        assert.equal(inside, 1);
        await new Promise((resolve) => setTimeout(resolve, 1));
        inside -= 1;
        entered += 1;
        await own.release();
    }),
);
assert.equal(entered, 20);
await client.quit();
console.log('locks: done');
