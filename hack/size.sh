#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints how large files, functions, types and pkg/cli are and how much of it is
# tests, and fails past the limits in hack/size/main.go.
set -eu
cd "$(dirname "$0")/.."
. hack/common.sh
exec go run ./hack/size
