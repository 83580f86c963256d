#!/bin/sh
# Builds deploy/Dockerfile and tries the image, without a container registry or daemon: debootstrap
# makes the Debian that the Dockerfile starts from. As root on Debian, with debootstrap, buildah and iproute2:
#   sh deploy/prove.sh WORK [OPTIONS OF buildah build]
# WORK is a folder for about 6 GB. `--build-arg TORCH_INDEX=URL` takes torch from another index.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd)
shift
images="--root $work/store --runroot $work/run --storage-driver vfs"

if [ ! -d "$work/debian" ]; then
  debootstrap --variant=minbase bookworm "$work/debian"
fi
debian=$(buildah $images from scratch)
buildah $images add -q "$debian" "$work/debian" /
buildah $images commit -q --rm "$debian" docker.io/library/debian:bookworm-slim

buildah $images build --isolation chroot --pull-never -t medsr \
  --ignorefile "$top/deploy/Dockerfile.dockerignore" -f "$top/deploy/Dockerfile" "$@" "$top"

rm -rf "$work/data" "$work/out"
mkdir -p "$work/data/sub-01/anat" "$work/out"
for ending in nii.gz json; do
  cp "$top/sample_data/head_T1w_thick.$ending" "$work/data/sub-01/anat/sub-01_T1w.$ending"
done
echo '{"Name": "sample", "BIDSVersion": "1.10.0", "DatasetType": "raw"}' \
  > "$work/data/dataset_description.json"
chmod 777 "$work/out"

# As a user without a name, and without a network.
container=$(buildah $images from --pull-never localhost/medsr)
try() {
  unshare --net -- sh -c 'ip link set lo up && exec "$@"' sh buildah $images run --isolation chroot --user 12345:12345 \
    -v "$work/data:/data:ro" -v "$work/out:/out" "$container" -- "$@"
}
try medsr-bids --version
try medsr-bids /data /out participant --participant-label 01 --report
try medsr-bids /data /out group
find "$work/out" -type f
root=$(buildah $images mount "$container")
for part in "" /opt/medsr; do
  du -sm "$root$part" | sed "s|$root|MiB: image|"
done
buildah $images umount "$container" > /dev/null
buildah $images rm "$container" > /dev/null
