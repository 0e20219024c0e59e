#!/bin/sh
# goldens.sh CONFORMANCE FOLDER: every folder's golden on the device cuda.
exec "$1" --device cuda "$2"/*
