import { describe } from 'vitest';
import { s3CompatibilitySuite } from './compatibility.suite.ts';
import { startLocalS3 } from './endpoint.ts';

describe('the local S3 endpoint', () => {
  s3CompatibilitySuite(startLocalS3);
});
