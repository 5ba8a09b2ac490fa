// Takes a secret from the sidecar's folder, and follows it. Node's own modules only.
//
//   node from_files.mjs /run/secretref STRIPE_API_KEY           once
//   node from_files.mjs /run/secretref STRIPE_API_KEY --follow  and each new value

import { createHash } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

// The value. A file is always whole, and never changed once it is open.
export const read = (folder, name) => readFile(join(folder, name));

// Each value as it comes, the present one first. One link changes with every set, so that is all
// that has to be looked at.
export async function* follow(folder, name) {
  let seen = null;
  let last = null;
  for (;;) {
    try {
      const now = await readlink(join(folder, '..data'));
      if (now !== seen) {
        const value = await read(folder, name);
        seen = now;
        if (last === null || !value.equals(last)) {
          last = value;
          yield value;
        }
      }
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
      // Withdrawn, or the sidecar is starting: what we have may still be good.
      seen = null;
    }
    await pause(200);
  }
}

// Stands for an agent's work: here a client would be made anew with the value.
function use(name, value) {
  console.log(`${name} sha256 ${createHash('sha256').update(value).digest('hex')}`);
}

const [folder, name, option] = process.argv.slice(2);
if (option === '--follow') {
  for await (const value of follow(folder, name)) use(name, value);
} else {
  use(name, await read(folder, name));
}
