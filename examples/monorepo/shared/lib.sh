say() { echo "built $1"; }
