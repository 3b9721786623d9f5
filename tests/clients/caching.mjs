// node-redis with a cache in the client: what was read is kept until the server says that it changed.
//
// Environment: PORT, USERNAME, PASSWORD.

import assert from 'node:assert/strict';
import { BasicClientSideCache, createClient } from 'redis';

const user = process.env.USERNAME;
const options = {
    socket: { host: '127.0.0.1', port: Number(process.env.PORT) },
    username: user,
    password: process.env.PASSWORD,
    RESP: 3,
};
const cache = new BasicClientSideCache({ maxEntries: 1000, ttl: 0 });
const cached = await createClient({ ...options, clientSideCache: cache }).connect();
const other = await createClient(options).connect();

const eventually = async (condition) => {
    const end = Date.now() + 60000;
    while (!(await condition())) {
        assert.ok(Date.now() < end, 'it did not come');
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
};
const key = `${user}:page`;
await other.set(key, 'one');
for (let count = 0; count < 100; count += 1) {
    assert.equal(await cached.get(key), 'one');
}
assert.ok(cache.stats().hitCount >= 99, 'what was read is not asked for again');
// Somebody else changes it: by hand, by a script, by its end.
await other.set(key, 'two');
await eventually(async () => (await cached.get(key)) === 'two');
await other.eval("return redis.call('set', KEYS[1], 'three')", { keys: [key] });
await eventually(async () => (await cached.get(key)) === 'three');
await other.pExpire(key, 50);
await eventually(async () => (await cached.get(key)) === null);
const names = Array.from({ length: 50 }, (_, number) => `${user}:${number}`);
await other.mSet(names.flatMap((name) => [name, 'v']));
for (const name of names) {
    assert.equal(await cached.get(name), 'v');
}
const transaction = other.multi();
names.forEach((name) => transaction.append(name, 'w'));
await transaction.exec();
await eventually(async () => (await Promise.all(names.map((name) => cached.get(name)))).every((value) => value === 'vw'));
cached.destroy();
other.destroy();
console.log('caching: done');
