# The broker, for PostgreSQL outside: the embedded database and everything else that only development needs is left out.
# The same image runs the lab: --entrypoint node IMAGE dist/lab/main.js
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --omit=optional --ignore-scripts

FROM node:24-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production \
    COUNTERSIGN_LISTEN=0.0.0.0:8400 \
    COUNTERSIGN_OPERATIONS_LISTEN=0.0.0.0:8401
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/bin ./bin
COPY --from=build /app/assets ./assets
COPY --from=build /app/policies ./policies
COPY --from=build /app/lab/demo/demo.css ./lab/demo/demo.css
COPY --from=build /app/dist ./dist
# A volume mounted here is the lab's directory, and belongs to the user below.
RUN install -d -o node -g node -m 0700 /lab
USER node
EXPOSE 8400 8401
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["node", "bin/countersign.js", "probe"]
ENTRYPOINT ["node", "bin/countersign.js"]
CMD ["serve"]
