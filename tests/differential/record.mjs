// Asks a server and prints its answers, to be kept in answers/.
// usage: node record.mjs URL EMAIL PASSWORD KIND SEED COUNT > answers/KIND-SEED.json
import { answers } from './ask.mjs';

const [, , url, email, password, kind, seed, count] = process.argv;
const given = await answers(url, email, password, kind, Number(seed), Number(count));
console.log(`[\n${given.map(({ answer }) => JSON.stringify(answer)).join(',\n')}\n]`);
