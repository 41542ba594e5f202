import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";
import { Providers } from "./providers";
import "./globals.css";

export const metadata: Metadata = { title: "Console", robots: { index: false } };

export const viewport: Viewport = { width: "device-width", initialScale: 1 };

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en" suppressHydrationWarning>
      <body>
        <noscript>
          <p className="p-6">
            The console needs JavaScript. <a href="/">Back to the start page</a>
          </p>
        </noscript>
        <Providers>{children}</Providers>
      </body>
    </html>
  );
}
