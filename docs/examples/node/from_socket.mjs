// Takes a secret from the sidecar's socket, and follows it. Node's own modules only.
//
//   node from_socket.mjs /run/secretref/agent.sock STRIPE_API_KEY           once
//   node from_socket.mjs /run/secretref/agent.sock STRIPE_API_KEY --follow  and each new version

import { createHash } from 'node:crypto';
import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

// The value and its version; null where the version that we have is still the one.
export function read(socketPath, name, query = '') {
  return new Promise((resolve, reject) => {
    const path = `/v1/secrets/${name}${query}`;
    // A request that waits is answered within 60 s.
    const request = http.get({ socketPath, path, timeout: 70_000, agent: false }, (answer) => {
      const parts = [];
      answer.on('error', reject);
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => {
        const body = Buffer.concat(parts);
        if (answer.statusCode === 304) return resolve(null);
        if (answer.statusCode === 200) {
          return resolve({ value: body, version: Number(answer.headers['secretref-version']) });
        }
        const why = JSON.parse(body.toString());
        return reject(new Error(`${why.error}. Fix: ${why.fix}`));
      });
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', reject);
  });
}

// Each version as it comes, the present one first. Outlives a restart of the sidecar.
export async function* follow(socketPath, name) {
  let version = 0;
  for (;;) {
    try {
      const found = await read(socketPath, name, `?version=${version}&wait=60s`);
      if (found !== null) {
        version = found.version;
        yield found;
      }
    } catch (error) {
      // It is restarting, or has no value now: what we have may still be good.
      console.error(`no news of ${name}: ${error.message}`);
      await pause(1000);
    }
  }
}

// Stands for an agent's work: here a client would be made anew with the value.
function use(name, { value, version }) {
  console.log(`${name} v${version} sha256 ${createHash('sha256').update(value).digest('hex')}`);
}

const [socketPath, name, option] = process.argv.slice(2);
if (option === '--follow') {
  for await (const found of follow(socketPath, name)) use(name, found);
} else {
  use(name, await read(socketPath, name));
}
