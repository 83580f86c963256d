#!/bin/sh
# Installs medsr into /opt/medsr of a Debian image; deploy/Dockerfile and deploy/medsr.def run it.
#   sh install.sh SOURCE TORCH_INDEX
# SOURCE is a copy of this repository, TORCH_INDEX the package index from which torch comes.
set -eu
source=$1 torch_index=$2

apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv
useradd --create-home --uid 1000 medsr

cp -r "$source" /tmp/source # setuptools writes beside the sources, which may be read-only
python3 -m venv /opt/medsr
pip="/opt/medsr/bin/pip install --no-cache-dir -c $source/constraints.txt"
$pip --no-deps torch --index-url "$torch_index" # what it needs comes with medsr
$pip /tmp/source

# What a build of C++ or a test suite would need, not medsr.
packages=/opt/medsr/lib/python3*/site-packages
rm -rf $packages/torch/test $packages/torch/include $packages/torch/bin/*[tT]est* \
  $packages/torch/bin/protoc* /tmp/source
find $packages -type d -name tests -prune -exec rm -rf {} +

/opt/medsr/bin/pip uninstall -y -q pip
apt-get purge -y -qq --auto-remove python3-venv
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb

su medsr -c '/opt/medsr/bin/medsr-bids --version'
