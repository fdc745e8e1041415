# The broker, for PostgreSQL outside: the embedded database and everything else that only development needs is left out.
# --target lab is the lab instead: it needs what development needs.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

FROM build AS lab
# A volume mounted here is the lab's directory, and belongs to the user below.
RUN install -d -o node -g node -m 0700 /lab
USER node
ENTRYPOINT ["node", "dist/lab/main.js"]

FROM build AS pruned
RUN npm prune --omit=dev --omit=optional --ignore-scripts

FROM node:24-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production \
    COUNTERSIGN_LISTEN=0.0.0.0:8400 \
    COUNTERSIGN_OPERATIONS_LISTEN=0.0.0.0:8401
COPY --from=pruned /app/package.json ./
COPY --from=pruned /app/node_modules ./node_modules
COPY --from=pruned /app/bin ./bin
COPY --from=pruned /app/assets ./assets
COPY --from=pruned /app/policies ./policies
COPY --from=pruned /app/dist ./dist
USER node
EXPOSE 8400 8401
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["node", "bin/countersign.js", "probe"]
ENTRYPOINT ["node", "bin/countersign.js"]
CMD ["serve"]
