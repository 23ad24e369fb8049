/** `npm run lab -- COMMAND`: the lab from the command line. */
import { runLabCli } from './cli/cli.ts';

process.exitCode = await runLabCli(process.argv.slice(2), {
  environment: process.env,
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
});
