#!/bin/sh
# Compiles the Rego of this folder and builds policies/bundle.tar.gz from it and the rules beside it.
# Needs opa (https://www.openpolicyagent.org), which nothing else here does: OPA=/path/to/opa policies/compile.sh
# With --check it builds elsewhere and says whether the bundle in the tree is what the sources give.
set -eu
cd "$(dirname "$0")"
opa=${OPA:-opa}
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT

sources=$(ls ./*.rego | grep -v '_test\.rego$' | sort)
"$opa" fmt --fail --diff ./*.rego
"$opa" check --strict --capabilities capabilities.json $sources
"$opa" build --target wasm --capabilities capabilities.json \
  --entrypoint countersign/decision --entrypoint countersign/explanation \
  --output "$built/opa.tar.gz" $sources
tar -xzf "$built/opa.tar.gz" -C "$built" /policy.wasm

digest=$(sha256sum $sources | sed 's|\./||' | sha256sum | cut -d ' ' -f 1)
version=$("$opa" version | sed -n 's/^Version: //p')
printf '{"rego":"%s","opa":"%s"}\n' "$digest" "$version" > "$built/compilation.json"

npm --prefix .. run --silent build
npm --prefix .. exec -- countersign policy build rules.yaml --cases cases.yaml \
  --wasm "$built/policy.wasm" --compilation "$built/compilation.json" --output "$built/bundle.tar.gz"

tar -xzf "$built/bundle.tar.gz" -C "$built" /data.json /cases.json
"$opa" test ./*.rego semantics.yaml "$built/data.json" "$built/cases.json"

if [ "${1:-}" = --check ]; then
  cmp "$built/bundle.tar.gz" bundle.tar.gz
else
  cp "$built/bundle.tar.gz" bundle.tar.gz
fi
