// connect-redis, the sessions of a web server: kept, found, touched, and gone when their time is over.
//
// Environment: PORT, USERNAME, PASSWORD.

import assert from 'node:assert/strict';
import { RedisStore } from 'connect-redis';
import { createClient } from 'redis';

const client = await createClient({
    socket: { host: '127.0.0.1', port: Number(process.env.PORT) },
    username: process.env.USERNAME,
    password: process.env.PASSWORD,
    RESP: 3,
}).connect();
const store = new RedisStore({ client, prefix: `${process.env.USERNAME}:session:`, ttl: 3600 });
const call = (name, ...words) =>
    new Promise((resolve, reject) =>
        store[name](...words, (error, value) => (error ? reject(error) : resolve(value))),
    );

const cookie = { originalMaxAge: 3600000 };
for (let number = 0; number < 20; number += 1) {
    await call('set', `id${number}`, { cookie, cart: [number, 'ü'] });
}
assert.deepEqual((await call('get', 'id7')).cart, [7, 'ü']);
assert.equal(await call('length'), 20);
assert.equal((await call('all')).length, 20);
await call('touch', 'id7', { cookie });
assert.ok((await client.ttl(`${process.env.USERNAME}:session:id7`)) > 3000);
await call('set', 'brief', { cookie: { ...cookie, expires: new Date(Date.now() + 300) } });
while (await client.exists(`${process.env.USERNAME}:session:brief`)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
}
await call('destroy', 'id7');
assert.equal((await call('get', 'id7')) ?? null, null);
await call('clear');
assert.equal(await call('length'), 0);
client.destroy();
console.log('sessions: done');
