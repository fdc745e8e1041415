/** The knowledge base: articles that a support agent reads, and may only write in production with approval. */
import { z } from 'zod';
import { type Api, created, found, notFound } from './api.ts';

type Article = {
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly author: string;
};

const ARTICLES: readonly Article[] = [
  {
    id: 'reset-a-password',
    title: 'How to reset a password',
    text: 'Open the sign-in page, choose "Forgot password", and follow the link that arrives by mail.',
    author: 'documentation',
  },
  {
    id: 'change-a-delivery',
    title: 'How to change the address of a delivery',
    text: 'An address can be changed until the parcel is handed over: open the order and choose "Change address".',
    author: 'documentation',
  },
  {
    id: 'return-an-item',
    title: 'How to return an item',
    text: 'Items can be returned within 30 days: open the order, choose "Return", and print the label.',
    author: 'documentation',
  },
];

const articleBody = z.object({
  title: z.string().min(1).max(200).default('Untitled draft'),
  text: z.string().max(10_000).default(''),
});

export const knowledge: Api = {
  name: 'knowledge',
  title: 'Knowledge base',
  description: 'Help articles that customers and support read.',
  scopes: {
    'articles.read': 'Read articles of the knowledge base',
    'articles.write': 'Publish articles in the knowledge base',
  },
  defaultScopes: ['articles.read'],
  sensitivity: { dev: 'low', test: 'low', prod: 'low' },
  open: () => {
    const articles = new Map(ARTICLES.map((article) => [article.id, article]));
    return [
      {
        scope: 'articles.read',
        method: 'GET',
        path: '/articles',
        example: '/articles',
        perform: () => found({ articles: [...articles.values()].map(({ id, title }) => ({ id, title })) }),
      },
      {
        scope: 'articles.read',
        method: 'GET',
        path: '/articles/:id',
        example: '/articles/reset-a-password',
        perform: ({ parameters }) => {
          const article = articles.get(parameters.id ?? '');
          return article === undefined ? notFound('such article') : found(article);
        },
      },
      {
        scope: 'articles.write',
        method: 'POST',
        path: '/articles',
        example: '/articles',
        perform: ({ body, token }) => {
          const article = {
            id: `article-${articles.size + 1}`,
            ...articleBody.parse(body),
            author: token.agent,
          };
          articles.set(article.id, article);
          return created(article);
        },
      },
    ];
  },
};
