#!/usr/bin/env bash
# Prints the path of a Chromium for the browser tests, and installs one where there is none.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then
    command -v "$name"
    exit 0
  fi
done

python="${PYTHON:-.venv/bin/python}"
bundled() {
  "$python" -c 'from playwright.sync_api import sync_playwright as p
with p() as play: print(play.chromium.executable_path)'
}

if [ -x "$(bundled)" ] || "$python" -m playwright install chromium >&2; then
  bundled
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >&2
  command -v chromium
else
  echo "No Chromium found. Install one (package chromium), or run: $python -m playwright install --with-deps chromium" >&2
  exit 1
fi
