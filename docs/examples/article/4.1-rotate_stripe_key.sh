#!/bin/bash
# scripts/rotate_stripe_key.sh
NEW_KEY=$(openssl rand -hex 32)
aws secretsmanager put-secret-value --secret-id stripe-api-key --secret-string "{\"value\":\"$NEW_KEY\",\"provider\":\"openclaw\",\"expiresAt\":\"$(date -u -d '+90 days' +%Y-%m-%dT%H:%M:%SZ)\"}"
