// BullMQ, a job queue: jobs in order, delayed ones, retries, and several workers that share the work.
//
// Environment: PORT, USERNAME, PASSWORD.

import assert from 'node:assert/strict';
import { Queue, QueueEvents, Worker } from 'bullmq';

const connection = {
    host: '127.0.0.1',
    port: Number(process.env.PORT),
    username: process.env.USERNAME,
    password: process.env.PASSWORD,
    maxRetriesPerRequest: null,
};
const options = { connection, prefix: process.env.USERNAME };

const queue = new Queue('letters', options);
const events = new QueueEvents('letters', options);
await events.waitUntilReady();

const seen = new Map();
const work = async (job) => {
    seen.set(job.id, (seen.get(job.id) ?? 0) + 1);
    if (job.data.fails > 0 && job.attemptsMade < job.data.fails) {
        throw new Error('not yet');
    }
    await job.updateProgress(100);
    return job.data.number * 2;
};
const workers = [1, 2].map(() => new Worker('letters', work, { ...options, concurrency: 5 }));

const jobs = await queue.addBulk(
    Array.from({ length: 50 }, (_, number) => ({
        name: 'letter',
        data: { number, fails: number % 10 === 0 ? 2 : 0 },
        opts: { attempts: 3, backoff: { type: 'fixed', delay: 10 }, delay: number % 7 === 0 ? 50 : 0 },
    })),
);
const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events, 60000)));
assert.deepEqual(results, Array.from({ length: 50 }, (_, number) => number * 2));
assert.equal(await queue.getCompletedCount(), 50);
assert.equal(seen.get(jobs[0].id), 3, 'it failed twice');

const failing = await queue.add('letter', { number: 1, fails: 9 }, { attempts: 2 });
await assert.rejects(failing.waitUntilFinished(events, 60000), /not yet/);
assert.equal(await queue.getFailedCount(), 1);
await queue.clean(0, 1000, 'completed');
assert.equal(await queue.getCompletedCount(), 0);
await queue.pause();
await queue.add('letter', { number: 7, fails: 0 });
assert.equal((await queue.getJobCounts('paused', 'waiting')).paused + (await queue.getWaitingCount()) > 0, true);
await queue.resume();

await Promise.all(workers.map((worker) => worker.close()));
await queue.obliterate({ force: true });
await events.close();
await queue.close();
console.log('queue: done');
