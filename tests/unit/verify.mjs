// Signs and verifies with the npm package `standardwebhooks`: a case a line in, a verdict a line out.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// The package lies in the folder that is named, not beside this file.
const { Webhook } = createRequire(`${process.argv[2]}/`)("standardwebhooks");

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body, signed } = JSON.parse(line);
  const raw = Buffer.from(body, "base64");
  const verdict = {};
  try {
    const webhook = new Webhook(secret);
    if (signed) {
      verdict.signature = webhook.sign(signed.id, new Date(signed.timestamp * 1000), raw);
    } else {
      webhook.verify(raw, headers);
    }
  } catch (error) {
    verdict.error = `${error.name}: ${error.message}`;
  }
  console.log(JSON.stringify(verdict));
}
