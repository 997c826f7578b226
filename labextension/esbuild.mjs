// Bundles the live view's front end into the one module and the one stylesheet that the Python widget ships.
import * as esbuild from 'esbuild';

const options = {
  entryPoints: [{ in: 'src/run_view/index.ts', out: 'run_view' }],
  outdir: '../reson_jupyter/notebook/live/static',
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  legalComments: 'inline',
  logLevel: 'info'
};

if (process.argv.includes('--watch')) {
  await (await esbuild.context(options)).watch();
} else {
  await esbuild.build(options);
}
