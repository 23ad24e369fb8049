#!/usr/bin/env node
// Runs on any Node from 20: hands over to the Node that this project pins.
import { handOver } from '../bootstrap.mjs';

await handOver('bin/salvor.ts', process.argv.slice(2));
