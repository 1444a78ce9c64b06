import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Express } from 'express';

const assets = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
const files = new Set(['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png']);

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Karst API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;
const start = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#api', deepLinking: true });\n`;

const headers = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

/** `/docs`: the API for people. Everything is served from here, nothing from elsewhere. */
export function mountDocs(app: Express): void {
  app.get('/docs', (_request, response) => {
    response.set(headers).type('html').send(page);
  });
  app.get('/docs/start.js', (_request, response) => {
    response.set(headers).type('text/javascript').send(start);
  });
  app.get('/docs/:file', (request, response, next) => {
    const { file } = request.params;
    if (!files.has(file)) next();
    else response.set(headers).sendFile(join(assets, file), { maxAge: '1h' });
  });
}
