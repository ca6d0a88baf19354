export default function Page() {
  const brand = process.env.NEXT_PUBLIC_BRAND ?? 'Framework';
  return (
    <main>
      <h1>{brand}</h1>
      <p>Made with forkable-ai/framework.</p>
    </main>
  );
}
